/** Addresses to which a tenant's egress is pinned: they go from node to node, so each has to be at home with all of them. */
import { formatAddress, parseAddress } from './address/address.ts';
import type { Address } from './address/address.ts';
import { contains, lastOf, parseCidr } from './address/cidr.ts';
import { WeftError } from './errors.ts';
import type { Node } from './objects.ts';
import { clip, invalid } from './validate.ts';

/** so that a packet of a tenant finds its leader's neighbour among few */
export const MOST_LEADERS = 16;

/** Canonical, IPv4 first. Throws `invalid-argument` with the path of what is wrong, `not-supported` for a node that tells no subnet. */
export function checkPinnedAddresses(path: string, texts: readonly string[], nodes: readonly Node[]): string[] {
  const families = new Set<number>();
  const checked = texts.map((text, i) => {
    const place = `${path}[${i}]`;
    const address = parseAddress(text);
    if (!address) throw invalid(place, `"${clip(text)}" is not an IP address`);
    if (families.has(address.family)) throw invalid(place, `there is one of IPv${address.family} already`);
    families.add(address.family);
    for (const node of nodes) assertAtHome(place, address, node);
    return formatAddress(address);
  });
  return checked.sort((a, b) => Number(a.includes(':')) - Number(b.includes(':')));
}

function assertAtHome(path: string, address: Address, node: Node): void {
  const text = formatAddress(address);
  if (!node.subnets || node.interface === undefined) {
    throw new WeftError('not-supported', `${node.name} does not tell the subnets of its link`, {
      object: node.name,
      next: `bring weft on ${node.name} to this version`,
    });
  }
  const subnet = node.subnets
    .flatMap((one) => parseCidr(one) ?? [])
    .find((one) => one.family === address.family && contains(one, address));
  const link = `${node.interface} of ${node.name}`;
  if (!subnet) throw invalid(path, `${text} is in no subnet of ${link} (${node.subnets.join(', ') || 'none'})`);
  const reserved = subnet.first === address.value || (subnet.family === 4 && lastOf(subnet) === address.value);
  const hasHosts = subnet.prefix < (subnet.family === 4 ? 31 : 127);
  if (reserved && hasHosts) throw invalid(path, `${text} is no host's address in the subnet of ${link}`);
  if ([node.vtep, ...(node.addresses ?? [])].includes(text)) {
    throw invalid(path, `${text} is ${node.name}'s own: a pinned address goes from node to node`);
  }
}
