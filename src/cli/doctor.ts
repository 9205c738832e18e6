/** `weft doctor`: what is wrong with the cluster, and what to do about it. */
import { resolve } from 'node:path';
import { Command } from 'commander';
import type { Methods } from '../api/definition.ts';
import { EXIT } from '../model/errors.ts';
import { globals, withClient } from './context.ts';
import { print } from './output.ts';

type Examination = Methods['Examine']['response'];

/** All nodes are asked at once, twice where the first answers show something; each has ten seconds (milliseconds). */
const DEADLINE = 60_000;

export function doctorCommand(): Command {
  return new Command('doctor')
    .description('what is wrong with the hosts of the cluster and what is between them; exit code 10 when something is')
    .option('--audit', 'compare the journals, engines and kernels of all nodes with each other and with etcd instead')
    .option('--bundle <file>', 'write all of it, and what the daemon knows, into a file for whoever helps; no secrets')
    .addHelpText(
      'after',
      '\nExamples:\n  weft doctor\n  weft doctor --audit -o json\n  weft doctor --bundle weft.json.gz',
    )
    .action(async ({ audit, bundle }: { audit?: boolean; bundle?: string }, command: Command) => {
      if (bundle !== undefined) return await write(resolve(bundle), command);
      const examination = await withClient(command, (client) =>
        client.call('Examine', { audit: audit ?? false }, { deadline: DEADLINE }),
      );
      print(globals(command).output, examination, () => printExamination(examination));
      if (examination.findings.length > 0) process.exitCode = EXIT.findings;
    });
}

async function write(path: string, command: Command): Promise<void> {
  const { writeBundle } = await import('./doctor-bundle.ts');
  const bytes = await withClient(command, (client) => writeBundle(client, path));
  print(globals(command).output, { path, bytes }, () => {
    console.log(`${path}: ${bytes} bytes; look at it before you give it away: zcat ${path}`);
  });
}

function printExamination({ nodes, findings }: Examination): void {
  for (const { code, node, object, evidence, command } of findings) {
    console.log(`${code}${node === '' ? '' : ` on ${node}`}: ${object}`);
    console.log(`  ${evidence}`);
    console.log(`  next: ${command}`);
  }
  const answered = nodes.filter((node) => node.answered).map(({ node, applied }) => `${node} (${applied.revision})`);
  const silent = nodes.filter((node) => !node.answered).map(({ node }) => node);
  console.log(`answered, with the revision their kernel follows: ${answered.join(', ') || 'nobody'}`);
  if (silent.length > 0) console.log(`did not answer: ${silent.join(', ')}`);
  console.log(findings.length === 0 ? 'nothing is wrong' : `findings: ${findings.length}`);
}
