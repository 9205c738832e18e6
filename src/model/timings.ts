/** Where the time of attaches and detaches goes. Told to whoever counts it; nothing waits for it. */

/**
 * `decide`: choosing an address and making the records; `journal`: until these are on disk; `queue`: from the wake of the
 * reconcile loop to its round; the rest are the round's own: the host's guard, the plan, the tenant's guards, the dump of what
 * stands, and making the difference.
 */
export const PHASES = ['decide', 'journal', 'queue', 'host', 'plan', 'guard', 'observe', 'apply'] as const;

export type Phase = (typeof PHASES)[number];

/** In milliseconds. */
export interface Timings {
  /** a call of an engine or of the API, from the request to the answer; `name` is the method's */
  call(name: string, milliseconds: number): void;
  /** of rounds, those that changed something */
  phase(name: Phase, milliseconds: number): void;
}
