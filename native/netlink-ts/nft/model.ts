/**
 * nftables objects as plain data. Writing a model and reading it back gives an equal model, so drift is found by
 * comparing two objects; what this library does not know of a foreign ruleset comes back as `other`, never as nothing.
 *
 * Packet data (addresses, ports, keys of sets) is lower-case hex text in network byte order: '39c5' is port 14789. It
 * compares, sorts and prints as it is. Registers are counted in 32-bit slots, 0 to 15: a concatenation of IPv4 address and
 * port loads slots 0 and 1.
 */
import type { Expression } from './expression.ts';
import type { KeyField } from './key.ts';

export type NftFamily = 'inet' | 'ip' | 'ip6' | 'bridge' | 'netdev' | 'arp';

export interface Table {
  family: NftFamily;
  name: string;
  chains: Chain[];
  sets: Set[];
}

export type ChainHook = 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting' | 'ingress' | 'egress';

/** Where a base chain hangs. A chain without it is only reached by jump or goto. */
export interface BaseChain {
  type: 'filter' | 'nat' | 'route';
  hook: ChainHook;
  /** signed; lower runs first (raw -300, mangle -150, dstnat -100, filter 0, srcnat 100) */
  priority: number;
  policy: 'accept' | 'drop';
  /** netdev family only */
  device?: string;
}

export interface Chain {
  name: string;
  base?: BaseChain;
  rules: Rule[];
}

export interface Rule {
  expressions: Expression[];
  /** at most 127 bytes in UTF-8, as nft has it */
  comment?: string;
}

export type SetFlag = 'anonymous' | 'constant' | 'interval' | 'map' | 'timeout' | 'dynamic';

export interface Set {
  name: string;
  /** one field, or the fields of a concatenation in order */
  key: KeyField[];
  flags: SetFlag[];
  /** in the order of `sortElements` when read from the kernel */
  elements: SetElement[];
}

export interface SetElement {
  /** hex; every field of a concatenation padded at its end to a multiple of 4 bytes */
  key: string;
  /** upper end of a range in a concatenated interval set, hex */
  keyEnd?: string;
  /** in an interval set: this key is the first one behind the interval */
  intervalEnd?: true;
}

/** The order in which elements are read; the kernel's own is that of a hash table. */
export function sortElements(elements: readonly SetElement[]): SetElement[] {
  return elements.toSorted(
    (a, b) => compareText(a.key, b.key) || Number(b.intervalEnd ?? 0) - Number(a.intervalEnd ?? 0),
  );
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
