/** The end of a wait whose request was sent: its deadline or its caller's signal, whichever comes first. */
import { OutcomeUnknownError } from '../errors.ts';

const DEADLINE = 5_000;

export interface WaitOptions {
  signal?: AbortSignal;
  /** milliseconds; 5,000 when left out */
  deadline?: number;
}

export interface Patience {
  /** never resolves; rejects with OutcomeUnknownError */
  over: Promise<never>;
  /** must be called, else the timer and the listener stay */
  end: () => void;
}

export function patience(op: string, { signal, deadline = DEADLINE }: WaitOptions): Patience {
  let end = (): void => undefined;
  const over = new Promise<never>((_, reject) => {
    const timer = setTimeout(() => {
      reject(new OutcomeUnknownError(op, `no answer within ${deadline} ms`));
    }, deadline);
    if (!signal) {
      end = () => clearTimeout(timer);
      return;
    }
    const onAbort = () => reject(new OutcomeUnknownError(op, 'the caller gave up'));
    signal.addEventListener('abort', onAbort, { once: true });
    end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    };
  });
  return { over, end };
}
