/** What a seed does to three hosts: rounds of faults that overlap. Pure. */
import { Random } from '../../support/random.ts';
import { MEDDLINGS } from '../meddling.ts';
import type { Meddling } from '../meddling.ts';

export const HOSTS = [1, 2, 3] as const;

/** Those that last; the others are done as soon as they have begun. */
const LASTING = [
  ...(['kill-weftd', 'freeze-weftd', 'kill-dockerd', 'kill-etcd', 'freeze-etcd', 'cut', 'full-disk'] as const),
  'clock',
] as const;
export const KINDS = [...LASTING, 'power-cycle', 'meddle', 'second-daemon'] as const;
export type Kind = (typeof KINDS)[number];

export interface Fault {
  kind: Kind;
  host: number;
  /** milliseconds from the beginning of the round */
  at: number;
  lasts: number;
  /** of a clock: seconds from the true time */
  offset: number;
  /** of a program that meddles, and the seed of its choice */
  what: Meddling;
  seed: number;
}

export interface Round {
  /** at most one a host; in the order of their beginning */
  faults: Fault[];
}

/** With these a host takes its etcd member along. */
const TAKE_ETCD: readonly Kind[] = ['kill-etcd', 'freeze-etcd', 'cut', 'power-cycle'];

const LATEST = 3_000;
const [SHORTEST, LONGEST] = [1_000, 12_000];
/** of every fourth cut: longer than a lease lasts */
const LONG_CUT = 60_000;
const CLOCK = 6 * 3_600;

/** Rounds without end: who plays them knows for how long. */
export function* plan(seed: number): Generator<Round, never> {
  const random = new Random(seed);
  // every kind comes once before any comes twice
  let coming: Kind[] = [];
  let cuts = 0;
  for (;;) {
    const faults: Fault[] = [];
    const hosts = shuffled(random, HOSTS).slice(0, 1 + random.integer(HOSTS.length));
    for (const host of hosts) {
      if (coming.length === 0) coming = shuffled(random, KINDS);
      const index = coming.findIndex((kind) => bears(faults, kind));
      const [kind] = index < 0 ? [] : coming.splice(index, 1);
      if (!kind) continue;
      const fault = faultOf(random, kind, host);
      faults.push(kind === 'cut' && ++cuts % 4 === 0 ? { ...fault, lasts: LONG_CUT } : fault);
    }
    yield { faults: faults.sort((a, b) => a.at - b.at) };
  }
}

/**
 * A host that boots asks etcd who it is, and one whose disk is full or whose clock is wrong is restarted for it: none of that is
 * to wait for a majority. Without those, two members of three may be away.
 */
function bears(faults: readonly Fault[], kind: Kind): boolean {
  const all = [...faults.map((fault) => fault.kind), kind];
  const away = all.filter((one) => TAKE_ETCD.includes(one)).length;
  const starts = all.some((one) => ['power-cycle', 'full-disk', 'kill-weftd'].includes(one));
  return away <= (starts ? 1 : 2);
}

function faultOf(random: Random, kind: Kind, host: number): Fault {
  const lasts = LASTING.some((one) => one === kind) ? Math.round(random.between(SHORTEST, LONGEST)) : 0;
  return {
    ...{ kind, host, at: random.integer(LATEST), lasts },
    offset: kind === 'clock' ? random.integer(2 * CLOCK) - CLOCK : 0,
    what: random.pick(MEDDLINGS),
    seed: random.integer(2 ** 31),
  };
}

function shuffled<T>(random: Random, items: readonly T[]): T[] {
  const left = [...items];
  return items.map(() => left.splice(random.integer(left.length), 1)[0] as T);
}

export function describeFault({ kind, host, lasts, offset, what }: Fault): string {
  const more = kind === 'clock' ? ` ${offset} s` : kind === 'meddle' ? ` with ${what}` : '';
  return `${kind}${more} host${host}${lasts === 0 ? '' : ` for ${(lasts / 1_000).toFixed(1)} s`}`;
}
