/** What containers must not reach by their uplink: the cluster's own hosts, cloud metadata, other tenants' transit. Pure. */
import { BITS, parseAddress } from '../../model/address/address.ts';
import { cidrOf, formatCidr, overlaps, parseCidr } from '../../model/address/cidr.ts';
import type { Cidr } from '../../model/address/cidr.ts';
import type { ClusterSettings, ClusterState } from '../../model/cluster.ts';
import { nodeAddresses, publishedServices } from '../ports/services.ts';
import type { Borders } from './intents.ts';
import { transit6 } from './transit.ts';

/**
 * Link-local addresses (transit and most metadata services), and metadata services elsewhere: Azure, Alibaba, Oracle, and
 * EC2 over IPv6. They hand out the host's credentials.
 */
const METADATA = [
  '169.254.0.0/16',
  '168.63.129.16/32',
  '100.100.100.200/32',
  '192.0.0.192/32',
  'fd00:ec2::254/128',
  'fe80::/10',
];

/** Some clouds have their resolver there, and an engine asks for names from inside the container. */
const RESOLVERS = ['169.254.169.253', '169.254.169.254', '168.63.129.16', 'fd00:ec2::253'];

export function bordersOf(state: ClusterState, settings: ClusterSettings): Borders {
  const single = [...state.nodes.values()].flatMap(nodeAddresses).flatMap((text) => {
    const address = parseAddress(text);
    return address ? [cidrOf(address, BITS[address.family])] : [];
  });
  const ranges = [...METADATA, transit6(settings.id)].flatMap((text) => parseCidr(text) ?? []);
  return { guarded: disjoint([...ranges, ...single]), resolvers: RESOLVERS, published: publishedServices(state) };
}

/** Canonical text of the largest of the ranges that overlap: two CIDRs overlap only if one contains the other. */
function disjoint(ranges: Cidr[]): string[] {
  const kept: Cidr[] = [];
  for (const range of ranges.toSorted((a, b) => a.prefix - b.prefix)) {
    if (!kept.some((one) => overlaps(one, range))) kept.push(range);
  }
  return kept.map(formatCidr).sort();
}
