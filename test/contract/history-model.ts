/**
 * A model of the store, and a check of a recorded history against it. Every write of the keys in question is a transaction
 * of the recording, bears an id in its values, and compares all keys it changes; so revisions put them in one total order,
 * and none can hide: whoever writes next has read what it left.
 */

export interface Value {
  id: string;
}

export interface Seen {
  key: string;
  value: Value;
  revision: number;
  created: number;
}

export interface Transacted {
  id: string;
  /** key to the revision it was compared with */
  compare: Record<string, number>;
  /** keys put with the id as their value, and keys deleted */
  puts: string[];
  deletes: string[];
  /** milliseconds of one clock */
  begun: number;
  ended: number;
  /** `unknown`: it may have been carried out; `not-done`: the store says it was not */
  outcome: 'committed' | 'refused' | 'unknown' | 'not-done';
  /** for `committed` its own, for `refused` the store's */
  revision: number;
}

export interface Read {
  key: string;
  entry: Seen | undefined;
  revision: number;
  begun: number;
  ended: number;
}

export type Told =
  | { kind: 'snapshot'; revision: number; entries: Seen[] }
  | { kind: 'changes'; revision: number; changes: ({ put: Seen } | { delete: string })[] };

export interface History {
  transactions: Transacted[];
  reads: Read[];
  watches: { name: string; told: Told[] }[];
  /** read at the end, when nothing was under way any more */
  last: { entries: Seen[]; revision: number };
}

type State = Map<string, Seen>;

/** All that is wrong with a history, in words; nothing when it is right. */
export function faultsOf(history: History): string[] {
  const faults: string[] = [];
  const done = carriedOut(history, faults);
  const states = new States(done);
  checkTransactions(history, states, faults);
  checkReads(history, states, faults);
  checkRealTime(history, faults);
  for (const { name, told } of history.watches) checkWatch(name, told, { done, states, last: history.last }, faults);
  const { entries, revision } = history.last;
  if (!sameEntries(entries, states.at(revision))) faults.push(`the last list is not the state at ${revision}`);
  return faults;
}

/** By revision: what is known to be committed, and what was seen though its outcome was not known. */
function carriedOut(history: History, faults: string[]): Transacted[] {
  const revisions = new Map<string, number>();
  for (const { value, revision, key } of allSeen(history)) {
    const known = revisions.get(value.id);
    if (known !== undefined && known !== revision)
      faults.push(`${value.id} seen at ${known} and, in ${key}, at ${revision}`);
    revisions.set(value.id, revision);
  }
  const done: Transacted[] = [];
  for (const one of history.transactions) {
    const seenAt = revisions.get(one.id);
    revisions.delete(one.id);
    if (one.outcome === 'committed') {
      if (seenAt !== undefined && seenAt !== one.revision)
        faults.push(`${one.id} seen at ${seenAt}, made at ${one.revision}`);
      done.push(one);
    } else if (seenAt !== undefined) {
      if (one.outcome !== 'unknown') faults.push(`${one.id} was ${one.outcome}, and yet seen at ${seenAt}`);
      done.push({ ...one, revision: seenAt });
    }
  }
  for (const id of revisions.keys()) faults.push(`${id} was seen, but nobody wrote it`);
  done.sort((a, b) => a.revision - b.revision);
  done.forEach((one, i) => {
    if (one.revision === done[i - 1]?.revision) faults.push(`${one.id} has the revision of another, ${one.revision}`);
  });
  return done;
}

function allSeen(history: History): Seen[] {
  const told = history.watches.flatMap((watch) => watch.told);
  return [
    ...history.reads.flatMap(({ entry }) => entry ?? []),
    ...told.flatMap((one) =>
      one.kind === 'snapshot' ? one.entries : one.changes.flatMap((change) => ('put' in change ? change.put : [])),
    ),
    ...history.last.entries,
  ];
}

/** The state after each revision. */
class States {
  readonly #revisions: number[] = [0];
  readonly #states: State[] = [new Map<string, Seen>()];

  constructor(done: Transacted[]) {
    for (const { id, puts, deletes, revision } of done) {
      const before = this.#states.at(-1);
      const state: State = new Map(before);
      for (const key of deletes) state.delete(key);
      for (const key of puts) {
        const created = before?.get(key)?.created ?? revision;
        state.set(key, { key, value: { id }, revision, created });
      }
      this.#revisions.push(revision);
      this.#states.push(state);
    }
  }

  at(revision: number): State {
    let [low, high] = [0, this.#revisions.length - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((this.#revisions[middle] ?? 0) <= revision) low = middle;
      else high = middle - 1;
    }
    return this.#states[low] ?? new Map<string, Seen>();
  }
}

function checkTransactions({ transactions }: History, states: States, faults: string[]): void {
  for (const { id, compare, outcome, revision } of transactions) {
    if (outcome !== 'committed' && outcome !== 'refused') continue;
    const state = states.at(outcome === 'committed' ? revision - 1 : revision);
    const holds = Object.entries(compare).every(([key, at]) => (state.get(key)?.revision ?? 0) === at);
    if (holds !== (outcome === 'committed')) faults.push(`${id} was ${outcome} at ${revision} against its compares`);
  }
}

function checkReads({ reads }: History, states: States, faults: string[]): void {
  for (const { key, entry, revision } of reads) {
    const expected = states.at(revision).get(key);
    if (!sameEntry(entry, expected)) {
      faults.push(`${key} read at ${revision} as ${show(entry)}, where it was ${show(expected)}`);
    }
  }
}

/** Whatever ended before something else began lies before it in the order of revisions. */
function checkRealTime({ transactions, reads }: History, faults: string[]): void {
  const answered = transactions.filter(({ outcome }) => outcome === 'committed' || outcome === 'refused');
  const operations = [
    ...reads.map((read) => ({ ...read, what: `a read of ${read.key}`, least: 0 })),
    ...answered.map((one) => ({ ...one, what: one.id, least: one.outcome === 'committed' ? 1 : 0 })),
  ].sort((a, b) => a.begun - b.begun);
  const byEnd = [...operations].sort((a, b) => a.ended - b.ended);
  let newest = 0;
  let at = 0;
  for (const { begun, revision, what, least } of operations) {
    for (; (byEnd[at]?.ended ?? Infinity) < begun; at++) newest = Math.max(newest, byEnd[at]?.revision ?? 0);
    if (revision < newest + least) faults.push(`${what} at ${revision}, after ${newest} was known`);
  }
}

interface Model {
  done: Transacted[];
  states: States;
  last: { revision: number };
}

/** Each transaction once, whole and in order: in a snapshot or as changes. */
function checkWatch(name: string, told: Told[], { done, states, last }: Model, faults: string[]): void {
  let position: number | undefined;
  let next = 0;
  for (const one of told) {
    if (position !== undefined && one.revision < position)
      faults.push(`${name}: back from ${position} to ${one.revision}`);
    if (one.kind === 'snapshot') {
      if (!sameEntries(one.entries, states.at(one.revision)))
        faults.push(`${name}: a wrong snapshot at ${one.revision}`);
    } else if (position === undefined) {
      faults.push(`${name}: changes before a snapshot`);
    } else {
      const first = next;
      while ((done[next]?.revision ?? Infinity) <= one.revision) next += 1;
      checkChanges(`${name}: after ${position}, up to ${one.revision}`, one.changes, done.slice(first, next), faults);
    }
    position = one.revision;
    while ((done[next]?.revision ?? Infinity) <= position) next += 1;
  }
  if ((position ?? 0) < last.revision) faults.push(`${name}: ends at ${position}, before ${last.revision}`);
}

function checkChanges(
  where: string,
  changes: Extract<Told, { kind: 'changes' }>['changes'],
  expected: Transacted[],
  faults: string[],
): void {
  let at = 0;
  for (const { id, puts, deletes, revision } of expected) {
    const wanted = [...puts.map((key) => `${key}=${id}@${revision}`), ...deletes.map((key) => `-${key}`)].sort();
    const got = changes
      .slice(at, at + wanted.length)
      .map(showChange)
      .sort();
    at += wanted.length;
    if (got.join() !== wanted.join()) faults.push(`${where}: ${got.join() || 'nothing'} instead of ${wanted.join()}`);
  }
  if (at < changes.length) faults.push(`${where}: ${changes.slice(at).map(showChange).join()} too much`);
}

function showChange(change: { put: Seen } | { delete: string }): string {
  return 'put' in change ? `${change.put.key}=${change.put.value.id}@${change.put.revision}` : `-${change.delete}`;
}

function sameEntries(entries: Seen[], state: State): boolean {
  return entries.length === state.size && entries.every((entry) => sameEntry(entry, state.get(entry.key)));
}

function sameEntry(one: Seen | undefined, other: Seen | undefined): boolean {
  return show(one) === show(other);
}

function show(entry: Seen | undefined): string {
  return entry ? `${entry.key}=${entry.value.id}@${entry.revision} made at ${entry.created}` : 'absent';
}
