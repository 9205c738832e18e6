/** A batch that was made for another generation of the ruleset. */
import { NetlinkError } from '../errors.ts';

/** Linux's number; Node has no name for it. */
const ERESTART = 85;

/** Nothing was changed: others changed the ruleset since it was read. Read it again and decide anew. */
export class StaleGenerationError extends Error {
  /** the one that the batch was made for */
  readonly generation: number;

  constructor(generation: number, cause: unknown) {
    super(`the ruleset is no longer of generation ${generation}`, { cause });
    this.name = 'StaleGenerationError';
    this.generation = generation;
  }
}

/** What to throw for a batch that was bound to a generation. */
export function staleOr(error: unknown, generation: number | undefined): unknown {
  const stale = generation !== undefined && error instanceof NetlinkError && error.errno === ERESTART;
  return stale ? new StaleGenerationError(generation, error) : error;
}
