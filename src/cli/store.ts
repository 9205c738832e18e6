/** Commands about etcd: what it holds, a copy of it, and the way back to a copy. What they do is loaded when asked for. */
import { resolve } from 'node:path';
import { Command } from 'commander';
import { globals, withClient } from './context.ts';
import { print } from './output.ts';
import type { StoreAccess } from './store-access.ts';

export function storeCommand(): Command {
  return new Command('store')
    .description('etcd: its state, snapshots of it, a restore and what follows')
    .option('--config <file>', 'configuration of weftd')
    .addHelpText('after', '\nExamples:\n  weft store status\n  weft store snapshot /root/weft.db')
    .addCommand(statusCommand())
    .addCommand(snapshotCommand())
    .addCommand(restoreCommand())
    .addCommand(resumeCommand());
}

function statusCommand(): Command {
  return new Command('status')
    .description('members, sizes, alarms, the newest backup')
    .addHelpText('after', '\nExample:\n  weft store status -o json')
    .action(async (_options: unknown, command: Command) => {
      const { readStatus, printStatus } = await import('./store-status.ts');
      const status = await withAccess(command, readStatus);
      print(globals(command).output, status, () => printStatus(status));
    });
}

function snapshotCommand(): Command {
  return new Command('snapshot')
    .description('copy what etcd holds into a file, checked by its sum; a file of that name is replaced')
    .argument('<file>')
    .addHelpText('after', '\nExample:\n  weft store snapshot /root/weft.db')
    .action(async (file: string, _options: unknown, command: Command) => {
      const { takeSnapshot } = await import('./store-copies.ts');
      const copy = await withAccess(command, (access) => takeSnapshot(access, resolve(file)));
      const { path, bytes, revision } = copy;
      print(globals(command).output, copy, () => console.log(`${path}: ${bytes} bytes, revision ${revision}`));
    });
}

function restoreCommand(): Command {
  return new Command('restore')
    .description('bring the etcd of this host back to a snapshot, while weftd is stopped; the present data is kept')
    .argument('<file>')
    .option('--yes', 'do not ask')
    .addHelpText('after', '\nExample:\n  weft store restore /root/weft.db --yes')
    .action(async (file: string, { yes }: { yes?: boolean }, command: Command) => {
      const { restore } = await import('./store-copies.ts');
      const restored = await restore(await configOf(command), resolve(file), { yes: yes ?? false });
      print(globals(command).output, restored, () => {
        const [start, look, clean] = restored.next;
        console.log(`etcd is restored from ${restored.path}; what it held before is in ${restored.kept}`);
        console.log(
          `next: ${start}; ${look} on each host (it says that etcd was restored); when all is well, ${clean}`,
        );
      });
    });
}

function resumeCommand(): Command {
  return new Command('resume')
    .description('end the recovery after a restore, once all hosts have written again what they own')
    .option('--force', 'also without hosts that were not heard from: their addresses can be given to others')
    .addHelpText('after', '\nExample:\n  weft store resume')
    .action(async ({ force }: { force?: boolean }, command: Command) => {
      const answer = await withClient(command, (client) => client.call('ResumeStore', { force: force ?? false }));
      print(globals(command).output, answer, () => {
        const left = answer.missing.length > 0 ? `, without ${answer.missing.join(', ')}` : '';
        console.log(`the cluster goes on${left}`);
      });
    });
}

async function configOf(command: Command) {
  const { readConfig } = await import('./store-access.ts');
  return await readConfig(command.optsWithGlobals<{ config?: string }>().config);
}

async function withAccess<T>(command: Command, work: (access: StoreAccess) => Promise<T>): Promise<T> {
  const { openStoreAccess } = await import('./store-access.ts');
  const access = await openStoreAccess(await configOf(command));
  try {
    return await work(access);
  } finally {
    access.maintenance.close();
  }
}
