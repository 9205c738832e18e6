import { BITS } from '../address/address.ts';
import type { Family } from '../address/address.ts';
import { overlaps, parseCidr } from '../address/cidr.ts';
import type { Cidr } from '../address/cidr.ts';
import { hash64 } from '../names.ts';

/**
 * Where subnets come from when a user names none, tried in turn: small by default, because large ones clash with LANs
 * and VPNs. IPv6 comes from a ULA whose 40 random bits are the cluster's (RFC 4193).
 */
const IPV4_SOURCES = [
  { range: '10.128.0.0/9', prefix: 20 },
  { range: '172.24.0.0/13', prefix: 20 },
  { range: '100.64.0.0/10', prefix: 20 },
];

/** Ranges that no network may use: uplinks' transit, loopback, link-local, multicast and what cannot be routed. */
export const FORBIDDEN_RANGES = [
  '0.0.0.0/8',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '224.0.0.0/3',
  '::/8',
  'fe80::/10',
  'ff00::/8',
] as const;

/** The first free subnet that overlaps none of `used`; undefined when there is none. */
export function chooseSubnet(family: Family, clusterId: string, used: readonly Cidr[]): Cidr | undefined {
  for (const source of sourcesOf(family, clusterId)) {
    const step = 1n << BigInt(BITS[family] - source.prefix);
    const last = source.range.first + (1n << BigInt(BITS[family] - source.range.prefix)) - step;
    for (let first = source.range.first; first <= last;) {
      const candidate = { family, first, prefix: source.prefix };
      const clash = used.find((other) => overlaps(candidate, other));
      if (!clash) return candidate;
      const end = clash.first + (1n << BigInt(BITS[family] - clash.prefix));
      first = end > first + step ? ((end + step - 1n) / step) * step : first + step;
    }
  }
  return undefined;
}

function sourcesOf(family: Family, clusterId: string): { range: Cidr; prefix: number }[] {
  if (family === 6) {
    const first = (0xfdn << 120n) | ((hash64(clusterId) & 0xffffffffffn) << 80n);
    return [{ range: { family, first, prefix: 48 }, prefix: 64 }];
  }
  return IPV4_SOURCES.flatMap(({ range, prefix }) => {
    const parsed = parseCidr(range);
    return parsed ? [{ range: parsed, prefix }] : [];
  });
}
