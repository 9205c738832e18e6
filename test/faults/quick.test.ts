/**
 * The faults of `npm test`: weftd ends on all hosts at once, and at any step of any call; it is started where one runs
 * already; two minutes of chaos.
 */
import { describe, expect, test } from 'vitest';
import { FAILPOINTS } from '../../src/control/failpoints.ts';
import { attachesAndDetaches } from './attaching.ts';
import { chaos } from './chaos/run.ts';
import { reachable } from './invariants.ts';
import { stage } from './stage.ts';
import { endAtSteps, PLAYED } from './steps.ts';

const SEED = Number(process.env.WEFT_SEED ?? 1);
const { world, streams, host, standing, settled } = stage(`quick-${process.pid}`);

describe('weftd', () => {
  test('killed on all hosts at once: traffic goes on without it', async () => {
    await Promise.all(world().lab.hosts.map((one) => one.kill('weftd')));
    await streams().progress(10_000);
    await reachable(world());
    await Promise.all(world().lab.hosts.map((one) => one.start('weftd')));
    await attachesAndDetaches(world());
    await settled();
  });

  test('killed at every step of every call', { timeout: 600_000 }, async () => {
    expect([...PLAYED].sort()).toEqual([...FAILPOINTS].sort());
    await endAtSteps(world());
    await settled();
  });

  test('started twice on one host, or beside it in another network namespace: the second one ends', async () => {
    for (const command of [['weftd'], ['unshare', '--net', 'weftd']]) {
      const second = await host(2).exec(command, { timeout: 60_000 });
      expect(second.exitCode, second.stdout).toBe(1);
      expect(second.stderr).toContain('already-running');
    }
    await attachesAndDetaches(world(), [host(2)]);
    await settled();
  });
});

test('two minutes of chaos end with nothing lost, doubled or left', async () => {
  const wrong = await chaos({
    world: world(),
    streams: streams(),
    standing: standing(),
    seed: SEED,
    milliseconds: 120_000,
    path: `test/report/chaos-quick-${SEED}.jsonl`,
  });
  expect(wrong).toEqual([]);
}, 600_000);
