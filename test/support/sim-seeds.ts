/** Many simulations, one seed each: what a seed decides, how many are tried, and what is said of the first that fails. */
import type { Bug } from './sim-bugs.ts';
import { simulate } from './sim-run.ts';
import type { SimOptions, SimResult } from './sim-run.ts';
import type { Peril } from './sim-steps.ts';

const STEPS = 200;
/** lines of the trace that are shown */
const SHOWN = 80;

const PERILS: readonly Peril[] = ['none', 'identity', 'none', 'store', 'identity'];

/** Mostly few nodes, which meet each other often; at times 50. */
export function optionsOf(seed: number, peril = PERILS[seed % PERILS.length] ?? 'none'): SimOptions {
  const nodes = seed % 250 === 249 ? 50 : 3 + (seed % 4);
  return { seed, steps: STEPS, nodes, peril };
}

/** Those that only show where disks are copied or nodes forgotten. */
const OF_IDENTITY = new Set<Bug>(['skip-fence', 'skip-reread']);

/** Throws with the story of the first seed that fails. `WEFT_SIM_SEED` names the only one to be tried, `WEFT_SIM_PERIL` its peril. */
export async function trySeeds(first: number, count: number, peril?: Peril): Promise<void> {
  const { WEFT_SIM_SEED: only, WEFT_SIM_PERIL: chosen = peril } = process.env;
  if (only !== undefined) return assertHolds(await simulate(optionsOf(Number(only), chosen as Peril)), Number(only));
  for (let seed = first; seed < first + count; seed++) assertHolds(await simulate(optionsOf(seed, peril)), seed);
}

export function assertHolds({ failure, trace }: SimResult, seed: number): void {
  if (failure === undefined) return;
  const lines = trace.split('\n').slice(-SHOWN).join('\n');
  throw new Error(
    `seed ${seed}: ${failure}\n${lines}\nagain: WEFT_SIM_SEED=${seed} npx vitest run --project simulation`,
  );
}

/** The first seed at which a planted bug shows while the product without it passes; undefined: none of `count`. */
export async function catches(bug: Bug, count: number): Promise<number | undefined> {
  for (let seed = 0; seed < count; seed++) {
    const options = optionsOf(seed, OF_IDENTITY.has(bug) ? 'identity' : 'none');
    const planted = await simulate({ ...options, bug });
    if (planted.failure !== undefined && (await simulate(options)).failure === undefined) return seed;
  }
  return undefined;
}
