import { describe, expect, it } from 'vitest';
import { judge } from '../../faults/chaos/history.ts';
import type { Entry } from '../../faults/chaos/history.ts';
import type { Fault } from '../../faults/chaos/plan.ts';

const attach = (name: string, asked: number, at: number, ...addresses: string[]): Entry => {
  const error = addresses.length === 0 ? 'daemon-away: nobody answers' : '';
  return { event: 'attach', host: Number(name[4]), name, asked, at, addresses, error };
};
const detach = (name: string, asked: number, at: number, error = ''): Entry => {
  return { event: 'detach', host: Number(name[4]), name, asked, at, error };
};
const fault: Fault = { kind: 'cut', host: 1, at: 0, lasts: 1_000, offset: 0, what: 'links', seed: 1 };
const final = (...names: string[]): Entry => {
  const endpoints = names.map((name) => ({ name, addresses: [] }));
  return { event: 'final', at: 1_000, findings: [], leaked: [], endpoints };
};

describe('a history is good', () => {
  it('when an address goes to another after it was let go', () => {
    const history = [attach('host1-a', 1, 2, 'A'), detach('host1-a', 5, 9), attach('host2-a', 6, 8, 'A')];
    expect(judge([...history, final('host2-a')])).toEqual([]);
  });

  it('when what failed, failed during a fault', () => {
    const history: Entry[] = [
      { event: 'calm', at: 1, round: 1 },
      { event: 'begin', at: 2, round: 2, fault },
      attach('host1-a', 3, 4),
    ];
    expect(judge([...history, final()])).toEqual([]);
  });

  it('when a power cut ended an endpoint, and its address was given again', () => {
    const history: Entry[] = [
      attach('host1-a', 1, 2, 'A'),
      { event: 'begin', at: 3, round: 1, fault: { ...fault, kind: 'power-cycle' } },
      attach('host2-a', 4, 5, 'A'),
    ];
    expect(judge([...history, final('host2-a')])).toEqual([]);
  });
});

describe('a history is bad', () => {
  it('when an address was given twice', () => {
    const history = [attach('host1-a', 1, 2, 'A'), attach('host2-a', 3, 4, 'A'), detach('host1-a', 5, 6)];
    const said = 'A was given to host2-a at 4 while host1-a had it since 2';
    expect(judge([...history, final('host2-a')])).toEqual([said]);
  });

  it('when somebody is refused in calm', () => {
    const history: Entry[] = [
      { event: 'calm', at: 1, round: 1 },
      attach('host1-a', 2, 3),
      { event: 'begin', at: 4, round: 2, fault },
    ];
    const said = 'attach of host1-a failed at 3, when all was well: daemon-away: nobody answers';
    expect(judge([...history, final()])).toEqual([said]);
  });

  it('when an endpoint is gone that nobody detached', () => {
    const said = 'host1-a was attached, nobody detached it, and it is gone';
    expect(judge([attach('host1-a', 1, 2, 'A'), final()])).toEqual([said]);
  });

  it('when somebody was not reached, or lost a connection', () => {
    const entry: Entry = {
      event: 'reached',
      at: 5,
      round: 3,
      after: 10_000,
      unreached: ['a to b'],
      lost: ['c to d: reset'],
    };
    expect(judge([entry, final()])).toEqual([
      'after round 3: a to b is not reached within 10000 ms',
      'in round 3 a connection was lost: c to d: reset',
    ]);
  });

  it('when something is left, or the auditor has something to say, or nobody looked', () => {
    const finding = { code: 'address-leaked', node: 'host1', object: 'acme/web A', evidence: 'bound', command: '' };
    const end: Entry = { event: 'final', at: 9, findings: [finding], leaked: ['host1: wu1'], endpoints: [] };
    expect(judge([end])).toEqual([
      'at the end there is host1: wu1',
      'at the end: address-leaked host1 acme/web A: bound',
    ]);
    expect(judge([])).toEqual(['the history has no end']);
  });
});
