/**
 * `weft completion SHELL`: a script that asks `weft __complete` what may come next. Words are completed from the command
 * tree itself, names from the daemon, which gets half a second: a shell must not hang for a dead daemon.
 */
import { Argument, Command } from 'commander';
import type { Option } from 'commander';
import type { WeftClient } from '../api/client.ts';
import { ERRORS } from '../model/errors.ts';
import { globals } from './context.ts';

const SHELLS = ['bash', 'zsh', 'fish'] as const;
const NAME_DEADLINE = 500;

const SCRIPTS: Record<(typeof SHELLS)[number], string> = {
  bash: `_weft() {
  local IFS=$'\\n'
  local words
  words=$(weft __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _weft weft`,
  zsh: `#compdef weft
_weft() {
  local -a found
  found=("\${(@f)$(weft __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  compadd -a found
}
compdef _weft weft`,
  fish: `complete -c weft -f -a '(weft __complete -- (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'`,
};

const HELP = `
Examples:
  weft completion bash > /etc/bash_completion.d/weft
  weft completion fish > ~/.config/fish/completions/weft.fish`;

export function completionCommands(root: Command): Command[] {
  const script = new Command('completion')
    .description('print a completion script for your shell')
    .addArgument(new Argument('<shell>').choices([...SHELLS]))
    .addHelpText('after', HELP)
    .action((shell: (typeof SHELLS)[number]) => console.log(SCRIPTS[shell]));
  const ask = new Command('__complete')
    .argument('[words...]', 'what stands on the line, the word under the cursor last')
    .addHelpText('after', '\nExample:\n  weft __complete -- network in')
    .action(async (words: string[], _options: unknown, command: Command) => {
      const found = await complete(root, words, () => namesFrom(globals(command).socket));
      if (found.length > 0) console.log(found.join('\n'));
    });
  return [script, ask];
}

export type NamesOf = (kind: string) => Promise<string[]>;

/** What may stand where the last word does, that begins as it does. */
export async function complete(root: Command, words: readonly string[], names: () => NamesOf): Promise<string[]> {
  const current = words.at(-1) ?? '';
  const { command, given, option } = reached(root, words.slice(0, -1));
  const fits = (candidates: string[]) => candidates.filter((word) => word.startsWith(current)).sort();
  if (option) return fits(option.argChoices ?? (await names()(option.name())));
  if (current.startsWith('-')) return fits(command.options.filter(({ hidden }) => !hidden).map(longName));
  const visible = command.commands.filter((inner) => !inner.name().startsWith('_'));
  if (visible.length > 0) return fits(visible.map((inner) => inner.name()));
  const argument = command.registeredArguments[given];
  if (!argument) return [];
  return fits(argument.argChoices ?? (await names()(argument.name())));
}

/** The command that the words lead to, how many arguments it has already, and the option that waits for its value. */
function reached(root: Command, words: readonly string[]): { command: Command; given: number; option?: Option } {
  let command = root;
  let given = 0;
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? '';
    const option = [...command.options, ...root.options].find(({ short, long }) => word === short || word === long);
    if (option && (option.required || option.optional)) {
      if (i === words.length - 1) return { command, given, option };
      i++;
      continue;
    }
    const inner = command.commands.find((one) => one.name() === word);
    if (inner) [command, given] = [inner, 0];
    else if (!word.startsWith('-')) given++;
  }
  return { command, given };
}

function longName(option: Option): string {
  return option.long ?? option.short ?? '';
}

/** Names of objects by the word that help texts use for them; none when the daemon does not answer. */
function namesFrom(socketPath: string): NamesOf {
  return async (kind) => {
    if (kind === 'code') return Object.keys(ERRORS);
    const { connect } = await import('../api/client.ts');
    const client = connect({ socketPath, deadline: NAME_DEADLINE });
    try {
      return await namesOf(client, kind);
    } catch {
      return [];
    } finally {
      client.close();
    }
  };
}

async function namesOf(client: WeftClient, kind: string): Promise<string[]> {
  switch (kind) {
    case 'tenant':
      return (await client.call('ListTenants', {})).tenants.map(({ name }) => name);
    case 'network':
      return (await client.call('ListNetworks', {})).networks.map(({ tenant, name }) => `${tenant}/${name}`);
    case 'endpoint':
      return (await client.call('ListEndpoints', {})).endpoints.map(
        ({ tenant, network, name }) => `${tenant}/${network}/${name}`,
      );
    case 'address':
      return (await client.call('ListSharedAddresses', {})).addresses.map(({ address }) => address);
    case 'node':
      return (await client.call('ListNodes', {})).nodes.map(({ name }) => name);
    default:
      return [];
  }
}
