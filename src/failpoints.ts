/**
 * WEFT_FAILPOINTS=join.recorded=kill,docker.Leave=pause: at these steps weftd sends itself SIGKILL, or SIGSTOP until
 * somebody sends SIGCONT. It is read where WEFT_TEST=1 stands beside it, and nowhere else.
 */
import { closest } from 'fastest-levenshtein';
import { FAILPOINTS } from './control/failpoints.ts';
import type { AtFailpoint, Failpoint } from './control/failpoints.ts';
import { WeftError } from './model/errors.ts';

const SIGNALS = { kill: 'SIGKILL', pause: 'SIGSTOP' } as const;

type Signal = (typeof SIGNALS)[keyof typeof SIGNALS];

/**
 * Undefined where there is nothing to do at any step. Not exit: nothing of Node's may run, as when the kernel or a user
 * ends the process. Throws `configuration-invalid`.
 */
export function armFailpoints(
  environment: NodeJS.ProcessEnv,
  signalSelf: (signal: Signal) => void = (signal) => process.kill(process.pid, signal),
): AtFailpoint | undefined {
  const text = environment.WEFT_TEST === '1' ? (environment.WEFT_FAILPOINTS ?? '') : '';
  if (text === '') return undefined;
  const armed = new Map(text.split(',').map(parse));
  return (step) => {
    const signal = armed.get(step);
    if (signal) signalSelf(signal);
    return undefined;
  };
}

function parse(item: string): [Failpoint, Signal] {
  const [name = '', action = '', ...more] = item.split('=');
  const step = FAILPOINTS.find((one) => one === name);
  if (!step) throw invalid(item, `no step is called "${name}"; did you mean ${closest(name, [...FAILPOINTS])}?`);
  if (!(action === 'kill' || action === 'pause') || more.length > 0) {
    throw invalid(item, `after ${step}= comes ${Object.keys(SIGNALS).join(' or ')}`);
  }
  return [step, SIGNALS[action]];
}

function invalid(item: string, message: string): WeftError {
  return new WeftError('configuration-invalid', `WEFT_FAILPOINTS: "${item}": ${message}`, {
    object: 'WEFT_FAILPOINTS',
    next: 'correct WEFT_FAILPOINTS, or unset it',
  });
}
