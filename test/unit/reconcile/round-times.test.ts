import { describe, expect, it } from 'vitest';
import type { Phase } from '../../../src/model/timings.ts';
import { RoundTimes } from '../../../src/reconcile/round-times.ts';

describe('the times of a round', () => {
  it('are told once it changed something, with what it waited for', () => {
    let now = 100;
    const told: [Phase, number][] = [];
    const times = new RoundTimes(() => now, 70);
    now = 105;
    times.lap('host');
    now = 125;
    times.lap('apply');
    times.changed();
    times.tell({ phase: (name, milliseconds) => told.push([name, milliseconds]) });
    expect(told).toEqual([
      ['queue', 30],
      ['host', 5],
      ['apply', 20],
    ]);
  });

  it('are not told of a round that found nothing to do', () => {
    const told: Phase[] = [];
    const times = new RoundTimes(() => 0, undefined);
    times.lap('host');
    times.tell({ phase: (name) => told.push(name) });
    expect(told).toEqual([]);
  });
});
