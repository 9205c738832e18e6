/** The end of a wait whose request was sent: its deadline or its caller's signal, whichever comes first. */

const DEADLINE = 5_000;

export interface WaitOptions {
  signal?: AbortSignal;
  /** milliseconds; 5,000 when left out */
  deadline?: number;
}

/** Calls `giveUp` with the reason, at most once. What it returns must be called, else the timer and the listener stay. */
export function patience({ signal, deadline = DEADLINE }: WaitOptions, giveUp: (why: string) => void): () => void {
  const timer = setTimeout(() => giveUp(`no answer within ${deadline} ms`), deadline);
  if (!signal) return () => clearTimeout(timer);
  const onAbort = () => giveUp('the caller gave up');
  signal.addEventListener('abort', onAbort, { once: true });
  return () => {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  };
}
