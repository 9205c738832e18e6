/** `npm run chaos -- --minutes N --seed S`; by itself 2 minutes of one seed, and three seeds of 20 minutes in the long run. */
import { afterEach, expect, test } from 'vitest';
import { labDown } from '../../../src/lab/lab.ts';
import { chaos } from './run.ts';

const { WEFT_LONG, WEFT_SEED, CHAOS_MINUTES, CHAOS_HISTORY } = process.env;
const LAB = `chaos-${process.pid}`;
const MINUTES = Number(CHAOS_MINUTES ?? (WEFT_LONG === undefined ? 2 : 20));
const FIRST = Number(WEFT_SEED ?? 1);
const SEEDS = WEFT_LONG === undefined || CHAOS_MINUTES !== undefined ? [FIRST] : [FIRST, FIRST + 1, FIRST + 2];

afterEach(() => labDown(LAB));

test.each(SEEDS)(
  'seed %i ends with nothing lost, doubled or left',
  { timeout: (MINUTES + 10) * 60_000 },
  async (seed) => {
    const wrong = await chaos({
      lab: LAB,
      seed,
      milliseconds: MINUTES * 60_000,
      path: CHAOS_HISTORY ?? `test/report/chaos-${seed}.jsonl`,
      progress: (line) => process.stdout.write(`chaos ${seed}: ${line}\n`),
    });
    expect(wrong).toEqual([]);
  },
);
