/**
 * nftables objects as plain data. Writing a model and reading it back gives an equal model, so drift is found by
 * comparing two objects; what this library does not know of a foreign ruleset comes back as `other`, never as nothing.
 *
 * Packet data (addresses, ports, keys of sets) is lower-case hex text in network byte order: '39c5' is port 14789. It
 * compares, sorts and prints as it is. Registers are counted in 32-bit slots, 0 to 15: a concatenation of IPv4 address and
 * port loads slots 0 and 1.
 */
import type { Expression } from './expression.ts';
import type { Verdict } from './expressions/verdict.ts';
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
  /** family netdev, and the hook `ingress` of inet */
  devices?: string[];
}

export interface Chain {
  name: string;
  base?: BaseChain;
  comment?: string;
  rules: Rule[];
}

export interface Rule {
  expressions: Expression[];
  /** at most 127 bytes in UTF-8, as nft has it */
  comment?: string;
}

/** `dynamic`: rules add to it (`dynset`), so its elements are read only when asked for (ReadOptions.counters). */
export type SetFlag = 'anonymous' | 'constant' | 'interval' | 'map' | 'timeout' | 'dynamic' | 'object' | 'expression';

export interface Set {
  /** an anonymous one (flags `anonymous` and `constant`) belongs to one rule of the same batch, by this name */
  name: string;
  /**
   * One field, or the fields of a concatenation in order. The sources of all fields of key and data and the comment have 256
   * bytes (about five sources): writing more throws RangeError.
   */
  key: KeyField[];
  flags: SetFlag[];
  /**
   * What the keys of a map (flag `map`) lead to. Either all fields of key and data have a source or none: nft knows
   * `typeof` for both or not at all.
   */
  data?: KeyField[] | 'verdict';
  /** the values are a lower and an upper end, each as long as `data` (NAT to a range or prefix) */
  dataRange?: true;
  /** milliseconds that an element lives if it does not say itself; needs the flag `timeout` */
  timeout?: number;
  /** milliseconds between two rounds of the kernel's that remove elements whose time is over */
  gcInterval?: number;
  /** the most elements it takes */
  size?: number;
  /** nft joins elements that touch when it adds them; the kernel does not */
  autoMerge?: true;
  /** what every element gets of its own (a counter, a limit, a quota); two and more need the flag `expression` */
  expressions?: Expression[];
  comment?: string;
  /** attributes without a place here, hex */
  other?: string;
  /** in the order of `sortElements` when read from the kernel */
  elements: SetElement[];
}

/** Times survive as whole jiffies of the kernel: hundredths of a second do on all, single milliseconds on some. */
export interface SetElement {
  /** hex; every field of a concatenation padded at its end to a multiple of 4 bytes. '' for `catchAll` */
  key: string;
  /** upper end of a range or prefix in an interval set, itself included, hex; none for a single key */
  keyEnd?: string;
  /** all keys that no other element has: the `*` of nft (kernel 5.13) */
  catchAll?: true;
  /** maps: data in hex, laid out as a key is, or a verdict; the chain it names must be there already */
  value?: string | Verdict;
  /** milliseconds to live from the beginning; left out where it is the set's own */
  timeout?: number;
  /** milliseconds left to live: read only when asked for (ReadOptions.counters), since it runs by itself */
  expires?: number;
  /** left out where they are the set's own and without values */
  expressions?: Expression[];
  /** at most 127 bytes in UTF-8 */
  comment?: string;
  other?: string;
}

/** What the elements of a set look like. */
export type SetShape = Pick<Set, 'name' | 'key' | 'flags'>;

/** The order in which elements are read; the kernel's own is that of a hash table. */
export function sortElements<E extends SetElement>(elements: readonly E[]): E[] {
  return elements.toSorted((a, b) => compareText(a.key, b.key) || compareText(a.keyEnd ?? a.key, b.keyEnd ?? b.key));
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
