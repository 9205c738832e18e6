/** `npm run chaos -- --minutes N --seed S`; by itself three seeds of 20 minutes. Those of `npm test` are in quick.test.ts. */
import { describe, expect, test } from 'vitest';
import { stage } from '../stage.ts';
import { chaos } from './run.ts';

const { WEFT_SEED, CHAOS_MINUTES, CHAOS_HISTORY } = process.env;
const MINUTES = Number(CHAOS_MINUTES ?? 20);
const FIRST = Number(WEFT_SEED ?? 1);
const SEEDS = CHAOS_MINUTES === undefined ? [FIRST, FIRST + 1, FIRST + 2] : [FIRST];

describe.each(SEEDS)('seed %i', (seed) => {
  const { world, streams, standing } = stage(`chaos-${process.pid}`);

  test('ends with nothing lost, doubled or left', { timeout: (MINUTES + 10) * 60_000 }, async () => {
    const wrong = await chaos({
      world: world(),
      streams: streams(),
      standing: standing(),
      seed,
      milliseconds: MINUTES * 60_000,
      path: CHAOS_HISTORY ?? `test/report/chaos-${seed}.jsonl`,
    });
    expect(wrong).toEqual([]);
  });
});
