/** weftd's own flags; settings themselves are config.ts's. */
import { parseArgs } from 'node:util';
import { DEFAULT_FILE } from './config.ts';
import { WeftError } from './model/errors.ts';
import { VERSION } from './version.ts';

const USAGE = `weftd ${VERSION}: container networking across hosts

usage: weftd [--config FILE] [--set PATH=VALUE]... [--check-config] [--version] [--help]

  --config FILE     configuration (default ${DEFAULT_FILE})
  --set PATH=VALUE  one setting, over the file and WEFT_* variables
  --check-config    print the settings as they would be used, and end; exit 1 names the wrong one

example: weftd --set underlay.address=192.0.2.1 --set log.level=debug`;

export interface Asked {
  /** the configuration file; `required`: named by a flag */
  file: { path: string; required: boolean };
  flags: Record<string, string>;
  /** print the settings and end */
  check: boolean;
}

/** Undefined when help or the version was asked for, and printed. */
export function readCommandLine(words: string[]): Asked | undefined {
  const { values } = parseArgs({
    args: words,
    options: {
      config: { type: 'string' },
      set: { type: 'string', multiple: true },
      'check-config': { type: 'boolean' },
      version: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help || values.version) {
    console.log(values.help ? USAGE : VERSION);
    return undefined;
  }
  const flags = (values.set ?? []).map((text): [string, string] => {
    const at = text.indexOf('=');
    if (at < 1) throw new WeftError('configuration-invalid', `--set ${text}: give PATH=VALUE`, { object: '--set' });
    return [text.slice(0, at), text.slice(at + 1)];
  });
  return {
    check: values['check-config'] ?? false,
    file: { path: values.config ?? DEFAULT_FILE, required: values.config !== undefined },
    flags: Object.fromEntries(flags),
  };
}
