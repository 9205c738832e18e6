/**
 * Bugs that the simulation must find, planted in what stands around the product, never in it: whoever builds without one of
 * these five steps builds a network that gives one address twice.
 */
import type { Compare } from '../../src/store/port.ts';
import type { Journal, JournalHeader, JournalOperation } from '../../src/store/journal/port.ts';
import type { PeerPort } from '../../src/control/ownership/ports.ts';
import { prefixes } from '../../src/model/keys.ts';
import { SPACE } from '../../src/control/ownership/keys.ts';
import type { SpaceRecord } from '../../src/control/ownership/space-records.ts';
import type { SimClock } from './sim-clock.ts';

export const BUGS = [
  /** transactions go without the fence and the epoch among their compares */
  'skip-fence',
  /** a node trusts its journal after a new boot as if it were the old one */
  'skip-reread',
  /** space is given away in the store first, and struck from the journal a little later */
  'split-before-journal',
  /** the age of a released address is told by the wall clock */
  'rest-by-wall-clock',
  /** a released address is free without its peers having seen the release */
  'skip-acknowledgement',
] as const;

export type Bug = (typeof BUGS)[number];

const FENCES = [prefixes.fences, 'epochs/'];

export function withoutFences(compare: Compare[]): Compare[] {
  return compare.filter((one) => !('key' in one) || !FENCES.some((prefix) => one.key.startsWith(prefix)));
}

export async function asIfNotRebooted(journal: Journal, header: JournalHeader): Promise<void> {
  if (!journal.fresh) await journal.rebind({ ...journal.header, bootId: header.bootId });
}

export function acknowledgedAtOnce(peers: PeerPort): PeerPort {
  return {
    split: (node, request, options) => peers.split(node, request, options),
    hint: (node, hint, options) => peers.hint(node, hint, options),
    applied: () => Promise.resolve({ revision: Number.MAX_SAFE_INTEGER }),
  };
}

/** milliseconds by which the journal lags behind the store */
const LAG = 400;

/** Splits reach the journal late; nothing else does. */
export function splitsLate(journal: Journal, clock: SimClock, process: AbortSignal): Journal {
  const append = (operations: JournalOperation[], kind?: 'normal' | 'release') => {
    if (!operations.some((one) => gives(journal, one))) return journal.append(operations, kind);
    clock.schedule(LAG, () => {
      if (process.aborted) return;
      // Only what the split took; what else was written to the record meanwhile stays.
      for (const one of operations) if ('put' in one) later(journal, one.put, one.value as SpaceRecord);
    });
    return { sequence: journal.sequence, durable: Promise.resolve() };
  };
  return new Proxy(journal, {
    get: (target, name) => {
      if (name === 'append') return append;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

function gives(journal: Journal, operation: JournalOperation): boolean {
  if (!('put' in operation) || !operation.put.startsWith(SPACE)) return false;
  const before = journal.get(operation.put) as SpaceRecord | undefined;
  return (operation.value as SpaceRecord).moving.length > (before?.moving.length ?? 0);
}

function later(journal: Journal, key: string, value: SpaceRecord): void {
  if (!journal.failure) journal.append([{ put: key, value }]);
}
