/** The check of histories must find what is wrong; else it proves nothing. */
import { describe, expect, it } from 'vitest';
import { faultsOf, type History, type Seen, type Transacted } from '../../contract/history-model.ts';

const seen = (key: string, id: string, revision: number, created = revision): Seen => ({
  key,
  value: { id },
  revision,
  created,
});

function transaction(changes: Partial<Transacted> & { id: string }): Transacted {
  return { compare: {}, puts: [], deletes: [], begun: 0, ended: 1, outcome: 'committed', revision: 0, ...changes };
}

/** a=1 at 2; b=2 and c=2 at 3; a deleted at 4, with a mark; and an unknown write of b that was done, at 6. */
function rightHistory(): History {
  return {
    transactions: [
      transaction({ id: '1', compare: { a: 0 }, puts: ['a'], revision: 2, begun: 0, ended: 1 }),
      transaction({ id: '2', compare: { b: 0, c: 0 }, puts: ['b', 'c'], revision: 3, begun: 2, ended: 3 }),
      transaction({ id: '3', compare: { a: 2 }, puts: ['m'], deletes: ['a'], revision: 4, begun: 4, ended: 5 }),
      transaction({ id: '4', compare: { b: 0 }, puts: ['b'], outcome: 'refused', revision: 4, begun: 5, ended: 6 }),
      transaction({ id: '5', compare: { b: 3 }, puts: ['b'], outcome: 'unknown', begun: 6, ended: 7 }),
      transaction({ id: '6', compare: { c: 3 }, puts: ['c'], outcome: 'unknown', begun: 6, ended: 7 }),
    ],
    reads: [
      { key: 'a', entry: seen('a', '1', 2), revision: 3, begun: 3, ended: 4 },
      { key: 'a', entry: undefined, revision: 5, begun: 6, ended: 7 },
    ],
    watches: [
      {
        name: 'w',
        told: [
          { kind: 'snapshot', revision: 2, entries: [seen('a', '1', 2)] },
          { kind: 'changes', revision: 3, changes: [{ put: seen('c', '2', 3) }, { put: seen('b', '2', 3) }] },
          { kind: 'changes', revision: 5, changes: [{ put: seen('m', '3', 4) }, { delete: 'a' }] },
          { kind: 'changes', revision: 6, changes: [{ put: seen('b', '5', 6, 3) }] },
        ],
      },
    ],
    last: { entries: [seen('b', '5', 6, 3), seen('c', '2', 3), seen('m', '3', 4)], revision: 6 },
  };
}

const told = (history: History) => history.watches[0]!.told;
const read = (history: History) => history.reads[0]!;

describe('the check of histories', () => {
  it('finds nothing in a right one', () => {
    expect(faultsOf(rightHistory())).toEqual([]);
  });

  it.each<[string, (history: History) => void, RegExp]>([
    ['a lost change', (history) => told(history).splice(1, 1), /w: after 2, up to 5/],
    ['a doubled change', (history) => told(history).splice(2, 0, told(history)[1]!), /c=2@3.* too much/],
    [
      'a torn transaction',
      (history) => (told(history)[1] as { changes: unknown[] }).changes.pop(),
      /instead of b=2@3,c=2@3/,
    ],
    ['changes before a snapshot', (history) => told(history).shift(), /changes before a snapshot/],
    ['a watch that stops early', (history) => told(history).pop(), /ends at 5, before 6/],
    ['a watch that goes back', (history) => told(history).push(told(history)[0]!), /back from 6 to 2/],
    [
      'a wrong snapshot',
      (history) => ((told(history)[0] as { revision: number }).revision = 3),
      /a wrong snapshot at 3/,
    ],
    ['a stale read', (history) => Object.assign(read(history), { revision: 2, begun: 4 }), /a read of a at 2, after 3/],
    ['a wrong read', (history) => (read(history).entry = undefined), /a read at 3 as absent/],
    [
      'a transaction against its compares',
      (history) => (history.transactions[2]!.compare = { a: 1 }),
      /3 was committed at 4 against its compares/,
    ],
    [
      'one refused without a reason',
      (history) => (history.transactions[3]!.compare = { b: 3 }),
      /4 was refused at 4 against its compares/,
    ],
    [
      'one said not to be done that was',
      (history) => (history.transactions[4]!.outcome = 'not-done'),
      /5 was not-done/,
    ],
    ['one half done', (history) => history.last.entries.splice(1, 1), /the last list/],
    ['a value from nowhere', (history) => (history.last.entries[0] = seen('b', '9', 6, 3)), /9 was seen, but nobody/],
  ])('finds %s', (_, spoil, words) => {
    const history = rightHistory();
    spoil(history);
    expect(faultsOf(history).join('\n')).toMatch(words);
  });
});
