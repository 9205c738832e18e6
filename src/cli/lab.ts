/** `weft lab`: a cluster of real engines on this machine, to try things on and to break. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { Listr } from 'listr2';
import { WeftError } from '../model/errors.ts';
import type { DaemonName, HostStatus, Lab, LabOptions } from '../lab/lab.ts';

const DAEMON_NAMES: readonly DaemonName[] = ['weftd', 'dockerd', 'etcd'];
/** milliseconds; an engine starts all its containers again before it answers */
const BOOT_DEADLINE = 300_000;

interface Named {
  name: string;
}

interface UpOptions extends Named {
  hosts: number;
  engine: 'docker' | 'none';
  etcd: '1' | '3';
  underlay: 'ipv4' | 'ipv6';
  underlayMtu?: number;
}

export function labCommand(): Command {
  const lab = new Command('lab').description('raise a cluster of real engines on this machine, and break it');
  named(lab.command('up'), 'up --hosts 3 --etcd 3')
    .description('raise hosts, each with weftd and an engine of its own')
    .option('--hosts <n>', 'how many', integer, 2)
    .addOption(new Option('--engine <engine>', 'what runs containers').choices(['docker', 'none']).default('docker'))
    .addOption(
      new Option('--etcd <members>', '1: managed by weftd on host1; 3: members on hosts 1 to 3')
        .choices(['1', '3'])
        .default('1'),
    )
    .addOption(
      new Option('--underlay <family>', 'how hosts reach each other').choices(['ipv4', 'ipv6']).default('ipv4'),
    )
    .option('--underlay-mtu <bytes>', 'MTU between the hosts', integer)
    .action((options: UpOptions) => up(options));
  named(lab.command('down'), 'down')
    .description('end all processes of the lab and remove all it made')
    .action(async ({ name }: Named) => {
      const { labDown, labExists } = await import('../lab/lab.ts');
      if (!(await labExists(name))) {
        throw new WeftError('lab-failed', `there is no lab "${name}"`, { object: name, next: 'weft lab up' });
      }
      await labDown(name);
    });
  named(lab.command('status'), 'status -o json')
    .description('show the hosts and what runs on them')
    .addOption(new Option('-o, --output <format>').choices(['table', 'json']).default('table'))
    .action(async ({ name, output }: Named & { output: 'table' | 'json' }) => {
      const hosts = await (await open(name)).status();
      process.stdout.write(output === 'json' ? `${JSON.stringify(hosts, null, 2)}\n` : table(hosts));
    });
  addExec(lab);
  addFaults(lab);
  return lab;
}

function addExec(lab: Command): void {
  // options after the host belong to the command
  lab.enablePositionalOptions();
  named(lab.command('exec'), 'exec host1 -- docker ps')
    .description('run a command on a host: its namespaces, its docker, its weft')
    .argument('<host>', 'host1, host2, ...')
    .argument('<command...>', 'the command, after --')
    .passThroughOptions()
    .action(async (host: string, words: string[], { name }: Named) => {
      const command = words[0] === '--' ? words.slice(1) : words;
      if (command.length === 0) throw new WeftError('invalid-argument', 'command: there is none after --');
      process.exitCode = await (await open(name)).host(host).attach(command);
    });
}

function addFaults(lab: Command): void {
  const onHost = (verb: string, description: string, act: (lab: Lab, host: string) => Promise<void>): void => {
    named(lab.command(verb), `${verb} host2`)
      .description(description)
      .argument('<host>', 'host1, host2, ...')
      .action(async (host: string, { name }: Named) => act(await open(name), host));
  };
  onHost('cut', 'take the host off the network between the hosts', (opened, host) => opened.cut(host));
  onHost('heal', 'put it back', (opened, host) => opened.heal(host));
  onHost('power-cycle', 'cut the power of the host and switch it on again; its disk is kept', (opened, host) =>
    opened.host(host).powerCycle({ deadline: BOOT_DEADLINE }),
  );
  const onDaemon = (verb: 'freeze' | 'thaw' | 'stop' | 'kill' | 'start', description: string): void => {
    named(lab.command(verb), `${verb} host2 weftd`)
      .description(description)
      .argument('<host>', 'host1, host2, ...')
      .argument('<daemon>', DAEMON_NAMES.join(', '), daemonName)
      .action(async (host: string, daemon: DaemonName, { name }: Named) => (await open(name)).host(host)[verb](daemon));
  };
  onDaemon('freeze', 'halt a daemon where it is (SIGSTOP)');
  onDaemon('thaw', 'let it go on (SIGCONT)');
  onDaemon('stop', 'end it in order (SIGTERM)');
  onDaemon('kill', 'end it at once (SIGKILL)');
  onDaemon('start', 'start it again, and wait until it answers');
}

/** Ctrl-C takes down what has been raised so far. */
async function up(options: UpOptions): Promise<void> {
  const { labUp } = await import('../lab/lab.ts');
  const interrupted = new AbortController();
  const interrupt = (): void => interrupted.abort(new WeftError('lab-failed', 'interrupted'));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, interrupt);
  const { underlayMtu, ...rest } = options;
  const wanted: LabOptions = {
    ...rest,
    ...(underlayMtu === undefined ? {} : { underlayMtu }),
    etcd: options.etcd === '3' ? 3 : 1,
    signal: interrupted.signal,
  };
  const title = `lab ${options.name}: ${options.hosts} hosts`;
  const task = {
    title,
    task: async (_: unknown, self: { output: string; title: string }): Promise<void> => {
      const start = performance.now();
      await labUp({ ...wanted, onProgress: (line) => (self.output = line) });
      self.title = `${title}, up in ${((performance.now() - start) / 1000).toFixed(1)} s`;
    },
    rendererOptions: { outputBar: Infinity, persistentOutput: true },
  };
  try {
    await new Listr([task], {
      registerSignalListeners: false,
      fallbackRenderer: 'simple',
      // the caller of the command shows it, with its code and what to do next
      rendererOptions: { showErrorMessage: false },
    }).run();
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, interrupt);
  }
  const exec = `weft lab exec${options.name === 'lab' ? '' : ` --name ${options.name}`}`;
  console.log(`next: ${exec} host1 -- weft status`);
}

function named(command: Command, example: string): Command {
  return command.option('--name <lab>', 'which lab', 'lab').addHelpText('after', `\nExample:\n  weft lab ${example}`);
}

/** The lab's modules are loaded when a lab is meant, not for every call of `weft`. */
async function open(name: string): Promise<Lab> {
  const { openLab } = await import('../lab/lab.ts');
  return openLab(name);
}

function integer(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError('It must be a whole number.');
  return Number(text);
}

function daemonName(text: string): DaemonName {
  const found = DAEMON_NAMES.find((name) => name === text);
  if (found !== undefined) return found;
  throw new InvalidArgumentError(`It must be one of ${DAEMON_NAMES.join(', ')}.`);
}

/** Plain columns, a line a host. */
function table(hosts: HostStatus[]): string {
  const rows = [
    ['HOST', 'ADDRESSES', 'POWER', 'LINK', ...DAEMON_NAMES.map((name) => name.toUpperCase())],
    ...hosts.map((host) => [
      host.name,
      `${host.address4}, ${host.address6}`,
      host.power,
      host.link,
      ...DAEMON_NAMES.map((name) => host.daemons[name]),
    ]),
  ];
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}
