import { describe, expect, it } from 'vitest';
import type { Operation } from '../../../src/plan/diff.ts';
import { Retries } from '../../../src/reconcile/retries.ts';

const flags = { learning: false, neighSuppress: false, unicastFlood: false, mcastFlood: true, bcastFlood: true };

function createPort(name: string, mtu = 1450): Operation {
  const object = { kind: 'port' as const, name, alias: '', mtu, up: true, bridge: 'wb1', flags, peer: null };
  return { type: 'create', object };
}

function createEntry(link: string): Operation {
  return { type: 'create', object: { kind: 'fdb', link, mac: '02:00:00:00:00:01', via: 'master', dst: null } };
}

const [bad, entry, good] = [createPort('we1'), createEntry('we1'), createPort('we2')];
const error = new Error('refused');

/** `bad` and what stands on it failed at 0; without chance the first pause is 75 ms, the second 150. */
function failedOnce(): Retries {
  const retries = new Retries(() => 0);
  const failures = [bad, entry].map((operation) => ({ operation, error }));
  retries.record('acme', retries.split('acme', [bad, entry, good], 0), { failures, now: 0 });
  return retries;
}

describe('Retries', () => {
  it('holds back what failed and what stands on it, not the others', () => {
    const round = failedOnce().split('acme', [bad, good, entry], 50);
    expect(round.due).toEqual([good]);
    expect(round.held).toEqual([bad, entry].map((operation) => ({ operation, error })));
    expect(failedOnce().split('beta', [bad], 50).due).toEqual([bad]);
  });

  it('tries a link and what stands on it at the same time', () => {
    const retries = failedOnce();
    expect(retries.next('acme')).toBe(75);
    expect(retries.split('acme', [bad, entry], 75).due).toEqual([bad, entry]);
  });

  it('pauses longer each time, and not at all for a different wish', () => {
    const retries = failedOnce();
    retries.record('acme', retries.split('acme', [bad], 75), { failures: [{ operation: bad, error }], now: 75 });
    expect(retries.next('acme')).toBe(225);
    expect(retries.split('acme', [createPort('we1', 1400)], 80).due).toHaveLength(1);
  });

  it('keeps the time of what was held, and forgets what succeeded or is not wanted any more', () => {
    const retries = failedOnce();
    retries.record('acme', retries.split('acme', [bad, good], 50), { failures: [], now: 50 });
    expect(retries.next('acme')).toBe(75);
    retries.record('acme', retries.split('acme', [bad], 75), { failures: [], now: 75 });
    expect(retries.next('acme')).toBeUndefined();
    const other = failedOnce();
    other.record('acme', other.split('acme', [], 50), { failures: [], now: 50 });
    expect(other.next('acme')).toBeUndefined();
  });
});
