/**
 * Tables of iptables-legacy as the kernel hands them out: a description of the whole (struct ipt_getinfo), then the rules of all
 * chains one after another, each chain ending with a rule that is its policy. The layouts are those of
 * linux/netfilter/x_tables.h, linux/netfilter_ipv4/ip_tables.h and linux/netfilter_ipv6/ip6_tables.h for 64-bit machines.
 */
import { DecodeError } from '../errors.ts';

export type LegacyFamily = 4 | 6;
export type LegacyHook = (typeof HOOKS)[number];

/** A rule that asks for nothing but interfaces; '' where any will do, "wu+" for all whose names begin with "wu". */
export interface LegacyRule {
  iifname: string;
  oifname: string;
  /** 'other': it goes on in another chain, returns, or does something else */
  verdict: 'accept' | 'drop' | 'other';
}

export interface LegacyChain {
  policy: 'accept' | 'drop';
  /** in order, without those that ask for more */
  byInterface: LegacyRule[];
}

export interface LegacyTable {
  /** neither rules nor chains of a user's: an empty one appears when it is merely listed */
  empty: boolean;
  chains: Partial<Record<LegacyHook, LegacyChain>>;
}

/** by number */
const HOOKS = ['prerouting', 'input', 'forward', 'output', 'postrouting'] as const;

export const INFO_LENGTH = 84;
const INFO = { hooks: 32, first: 36, policy: 56, entries: 76, size: 80 };

/** Of an entry: where the names of its interfaces stand, where its question ends, where it tells its target, its own length. */
const LAYOUTS = {
  4: { interfaces: 16, question: 84, targetAt: 88, entry: 112 },
  6: { interfaces: 64, question: 136, targetAt: 140, entry: 168 },
} as const;
const INTERFACE_NAME = 16;
/** length (2), name (29), revision (1); then the verdict of a target without a name */
const TARGET = { name: 2, nameLength: 29, verdict: 32, length: 36 };
const NF_DROP = -1;
const NF_ACCEPT = -2;
const REJECT = 'REJECT';

export function tableSize(info: Buffer): number {
  return info.readUInt32LE(INFO.size);
}

/** `rules`: what follows the head of struct ipt_get_entries. */
export function decodeTable(family: LegacyFamily, info: Buffer, rules: Buffer): LegacyTable {
  if (info.length < INFO_LENGTH) throw new DecodeError(`the description of a table has ${info.length} bytes`);
  const hooks = HOOKS.map((name, i) => ({ name, i })).filter(({ i }) => (info.readUInt32LE(INFO.hooks) >> i) & 1);
  const chains = hooks.map(({ name, i }) => {
    const [first, policy] = [info.readUInt32LE(INFO.first + 4 * i), info.readUInt32LE(INFO.policy + 4 * i)];
    return [name, decodeChain(family, rules, { first, policy })] as const;
  });
  // A policy for each chain, and the entry that ends the table.
  const empty = info.readUInt32LE(INFO.entries) === hooks.length + 1;
  return { empty, chains: Object.fromEntries(chains) };
}

function decodeChain(
  family: LegacyFamily,
  rules: Buffer,
  { first, policy }: { first: number; policy: number },
): LegacyChain {
  const byInterface: LegacyRule[] = [];
  for (let at = first; at < policy;) {
    const entry = entryAt(family, rules, at);
    if (asksForInterfacesOnly(family, entry))
      byInterface.push({ ...interfaces(family, entry), verdict: verdict(family, entry) });
    at += entry.length;
  }
  return { policy: verdict(family, entryAt(family, rules, policy)) === 'drop' ? 'drop' : 'accept', byInterface };
}

function entryAt(family: LegacyFamily, rules: Buffer, at: number): Buffer {
  const { targetAt, entry: shortest } = LAYOUTS[family];
  if (at + shortest > rules.length) throw new DecodeError(`a rule at ${at} of ${rules.length} bytes`);
  const [target, length] = [rules.readUInt16LE(at + targetAt), rules.readUInt16LE(at + targetAt + 2)];
  const end = at + length;
  if (target < shortest || target + TARGET.length > length || end > rules.length)
    throw new DecodeError(`a rule of ${length} bytes at ${at} of ${rules.length}, its target at ${target}`);
  return rules.subarray(at, end);
}

/** No address, protocol, flag or inversion beside the interfaces, and no match before the target. */
function asksForInterfacesOnly(family: LegacyFamily, entry: Buffer): boolean {
  const { interfaces: from, question, targetAt, entry: shortest } = LAYOUTS[family];
  const others = [...entry.subarray(0, from), ...entry.subarray(from + 4 * INTERFACE_NAME, question)];
  return entry.readUInt16LE(targetAt) === shortest && others.every((byte) => byte === 0);
}

/** Two names; iptables writes the plus into the name and leaves it out of the mask that stands behind. */
function interfaces(family: LegacyFamily, entry: Buffer): Pick<LegacyRule, 'iifname' | 'oifname'> {
  const at = LAYOUTS[family].interfaces;
  return {
    iifname: textAt(entry, at, INTERFACE_NAME),
    oifname: textAt(entry, at + INTERFACE_NAME, INTERFACE_NAME),
  };
}

function verdict(family: LegacyFamily, entry: Buffer): LegacyRule['verdict'] {
  const target = entry.subarray(entry.readUInt16LE(LAYOUTS[family].targetAt));
  const name = textAt(target, TARGET.name, TARGET.nameLength);
  if (name === REJECT) return 'drop';
  const number = name === '' ? target.readInt32LE(TARGET.verdict) : 0;
  return number === NF_ACCEPT ? 'accept' : number === NF_DROP ? 'drop' : 'other';
}

function textAt(data: Buffer, at: number, length: number): string {
  const text = data.toString('latin1', at, at + length);
  const end = text.indexOf('\0');
  return end < 0 ? text : text.slice(0, end);
}
