/** The command tree of `weft`, and the way from whatever goes wrong in it to an exit code. */
import { Command, CommanderError, Option } from 'commander';
import { DEFAULT_SOCKET } from '../api/socket.ts';
import { ERRORS, EXIT, toWeftError, WeftError } from '../model/errors.ts';
import { VERSION } from '../version.ts';
import { addressCommand } from './address.ts';
import { completionCommands } from './completion.ts';
import { dockerCommand } from './docker.ts';
import { doctorCommand } from './doctor.ts';
import { egressCommand } from './egress.ts';
import { endpointCommand } from './endpoint.ts';
import { eventsCommand } from './events.ts';
import { explainCommand } from './explain.ts';
import { nodeCommand, statusCommand } from './host.ts';
import { networkCommand } from './network.ts';
import { FORMATS, printError } from './output.ts';
import type { Format } from './output.ts';
import { portCommand } from './port.ts';
import { routerCommand } from './router.ts';
import { storeCommand } from './store.ts';
import { tenantCommand } from './tenant.ts';
import { tokenCommand } from './token.ts';

const EPILOGUE = `
Names are TENANT, TENANT/NETWORK, TENANT/NETWORK/ENDPOINT; an id or a unique beginning of one serves as well.
Exit codes: 0 done, 1 failed, 2 usage, 3 not found, 4 conflict or exhausted, 5 not allowed, 6 daemon or store away, 7 timeout,
10 findings.

Examples:
  weft status
  weft network create acme/web --subnet 10.10.0.0/16
  weft endpoint ls -A -o wide
  weft events
  weft explain error pool-exhausted`;

const LAB_EXAMPLES = `
Examples:
  weft lab up --hosts 3
  weft lab exec host1 -- docker ps
  weft lab down`;

/** `lab` is loaded only when it is asked for: it brings what no other command needs. */
export async function buildProgram(words: readonly string[]): Promise<Command> {
  const program = new Command('weft')
    .description('container networking across hosts')
    .version(VERSION)
    .addOption(new Option('-o, --output <format>', 'output format').choices(FORMATS).default('table'))
    .addOption(new Option('--socket <path>', 'socket of weftd').env('WEFT_SOCKET').default(DEFAULT_SOCKET))
    .showSuggestionAfterError()
    .addHelpText('after', EPILOGUE);
  program.addCommand(statusCommand());
  program.addCommand(tenantCommand());
  program.addCommand(networkCommand());
  program.addCommand(endpointCommand());
  program.addCommand(addressCommand());
  program.addCommand(routerCommand());
  program.addCommand(egressCommand());
  program.addCommand(portCommand());
  program.addCommand(nodeCommand());
  program.addCommand(tokenCommand());
  program.addCommand(storeCommand());
  program.addCommand(dockerCommand());
  program.addCommand(eventsCommand());
  program.addCommand(doctorCommand());
  program.addCommand(explainCommand());
  const [completion, complete] = completionCommands(program);
  if (completion) program.addCommand(completion);
  if (complete) program.addCommand(complete, { hidden: true });
  if (words.includes('lab')) {
    const { labCommand } = await import('./lab.ts');
    program.addCommand(labCommand().addHelpText('after', LAB_EXAMPLES));
  } else {
    program.addCommand(new Command('lab').description('several hosts on one machine: up, exec, status, down, ...'));
  }
  for (const command of everyCommand(program)) {
    command.exitOverride().configureOutput({ outputError: () => undefined });
    // A program that reads JSON from stderr gets the report, and no help text before it.
    if (['json', 'yaml'].includes(outputOf(words))) command.configureOutput({ writeErr: () => undefined });
    // So that `weft endpoint ls -o json` reads as people write it.
    if (command !== program && !command.options.some(({ long }) => long === '--output') && !isUnder(command, 'lab')) {
      command.addOption(new Option('-o, --output <format>', 'output format').choices(FORMATS));
    }
  }
  return program;
}

function* everyCommand(command: Command): Generator<Command> {
  yield command;
  for (const inner of command.commands) yield* everyCommand(inner);
}

function isUnder(command: Command, name: string): boolean {
  for (let at: Command | null = command; at; at = at.parent) if (at.name() === name) return true;
  return false;
}

/** What was asked for, even where the command line does not parse; what follows "--" is another program's. */
function outputOf(words: readonly string[]): Format {
  const ours = words.includes('--') ? words.slice(0, words.indexOf('--')) : words;
  const asked = /(?:^|\s)(?:-o|--output)[ =]?(\w+)(?:\s|$)/.exec(ours.join(' '))?.[1];
  return FORMATS.find((format) => format === asked) ?? 'table';
}

/** Runs a command line and returns the exit code; `words` are those after the program's name. */
export async function runProgram(words: readonly string[]): Promise<number> {
  // `weft endpoint ls | head` is no failure: whoever reads has what they wanted.
  process.stdout.once('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(EXIT.done);
    throw error;
  });
  let program: Command | undefined;
  try {
    program = await buildProgram(words);
    await program.parseAsync(words, { from: 'user' });
    return typeof process.exitCode === 'number' ? process.exitCode : EXIT.done;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.done;
    const failure = error instanceof CommanderError ? usageError(error, pathOf(program, words)) : toWeftError(error);
    printError(failure.toReport(''), outputOf(words));
    return EXIT[ERRORS[failure.code].exit];
  }
}

/** The command that the words reach: "weft network ls". */
function pathOf(program: Command | undefined, words: readonly string[]): string {
  const path = ['weft'];
  let at = program;
  for (const word of words) {
    const inner = at?.commands.find((command) => command.name() === word);
    if (!inner) continue;
    path.push(word);
    at = inner;
  }
  return path.join(' ');
}

function usageError(error: CommanderError, path: string): WeftError {
  // Help asked for by leaving the subcommand out was printed already.
  const text = error.code === 'commander.help' ? 'a subcommand is missing' : error.message.replace(/^error: /, '');
  return new WeftError('invalid-argument', text.replace('\n', ' '), { next: `${path} --help` });
}
