/** Names of interfaces as nftables compares them. */
import type { Expression } from 'netlink-ts';

const IFNAMSIZ = 16;

/** A whole name, padded as the kernel pads it. */
export function nameHex(name: string): string {
  return Buffer.from(name)
    .toString('hex')
    .padEnd(IFNAMSIZ * 2, '0');
}

/** A whole name of a link, or of its kind. */
export function matchName(key: 'oifname' | 'oifkind', name: string, op: 'eq' | 'neq' = 'eq'): Expression[] {
  return [
    { kind: 'meta', key, register: 0 },
    { kind: 'cmp', op, register: 0, data: nameHex(name) },
  ];
}

/** `iifname "wu*"`: compares the beginning only; iptables writes and reads `-i wu+` in the same way. */
export function matchPrefix(key: 'iifname' | 'oifname', prefix: string, op: 'eq' | 'neq' = 'eq'): Expression[] {
  return [
    { kind: 'meta', key, register: 0 },
    { kind: 'cmp', op, register: 0, data: Buffer.from(prefix).toString('hex') },
  ];
}
