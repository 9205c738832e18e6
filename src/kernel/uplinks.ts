/** The ends of an uplink: one in the tenant's namespace, one in the host's, where it is ours by its group and alias. */
import { NetlinkError, readSysctl, writeSysctl } from 'netlink-ts';
import type { Link, Namespace, Route, RouteSocket } from 'netlink-ts';
import { formatAddress } from '../model/address/address.ts';
import { parseInterfaceAddress } from '../model/address/cidr.ts';
import { WeftError } from '../model/errors.ts';
import type { HostRoute, RouteObject, UplinkEnd, UplinkObject } from '../plan/objects.ts';
import { connectedOf, routesOver } from './connected-routes.ts';
import { LINK_GROUP } from './link-group.ts';
import type { LinkContext } from './links.ts';

/** "w": who made a route. Nobody else's number in iproute2's rt_protos. */
export const ROUTE_PROTOCOL = 119;
const RT_TABLE_MAIN = 254;

interface HostHandle {
  namespace: Namespace;
  rt: RouteSocket;
}

/** The pair is made anew as a whole: an end left over from a namespace that is gone is in the way of its name. */
export async function createUplink({ tenant, host }: LinkContext, uplink: UplinkObject): Promise<void> {
  const left = await host.rt.links.get({ name: uplink.end.name });
  if (left?.group === LINK_GROUP) await host.rt.links.delete({ name: uplink.end.name });
  await tenant.rt.links.create({
    name: uplink.name,
    kind: 'veth',
    mtu: uplink.mtu,
    group: LINK_GROUP,
    peer: { name: uplink.end.name, mtu: uplink.end.mtu, group: LINK_GROUP, netns: host.namespace.fd },
  });
}

/** Addresses that are not wanted go: a stale transit address would answer for another tenant's. */
export async function settleEnd({ namespace, rt: host }: HostHandle, end: UplinkEnd): Promise<void> {
  const link = await host.links.get({ name: end.name });
  if (!link) throw new WeftError('kernel-refused', `link ${end.name} is not there`, { object: end.name });
  const { index } = link;
  // Its link-local address is among those wanted: one that the kernel makes is not to be used for a second.
  await host.links.set({ index, mtu: end.mtu, alias: end.alias, addrGenMode: 1 });
  writeSysctl(namespace, localnetOf(end.name), end.localnet ? '1' : '0');
  const found = await addressesOf(host, index);
  const whole = link.up ? connectedOf(found, await routesOver(host, index)) : found;
  for (const cidr of found.filter((one) => !end.addresses.includes(one) || !whole.includes(one))) {
    await host.addresses.delete({ index, ...split(cidr) });
  }
  await host.links.set({ index, up: end.up });
  for (const cidr of end.addresses.filter((one) => !whole.includes(one))) {
    await host.addresses.add({ index, ...split(cidr), nodad: true });
  }
  await settleRoutes(host, index, end.routes);
}

async function settleRoutes(host: RouteSocket, index: number, wanted: readonly HostRoute[]): Promise<void> {
  const spec = { oif: index, protocol: ROUTE_PROTOCOL };
  for (const { destination } of ownOf(await routesOver(host, index))) {
    if (!wanted.some((one) => one.destination === destination)) await host.routes.delete({ ...spec, destination });
  }
  // The other end may not be up yet, without which nothing is a neighbour.
  for (const route of wanted) await host.routes.replace({ ...spec, ...route, onlink: true });
}

/** What is not there, or not ours, of the other end shows as a difference to every plan. */
export async function observeUplink(link: Link, { namespace, rt: host }: HostHandle): Promise<UplinkObject> {
  const other = link.link === undefined ? undefined : await host.links.get({ index: link.link });
  const routes = other ? await routesOver(host, other.index) : [];
  const addresses = other ? await addressesOf(host, other.index) : [];
  const end: UplinkEnd = {
    name: other?.name ?? '',
    alias: other?.alias ?? '',
    up: other?.up ?? false,
    mtu: other?.mtu ?? 0,
    addresses: other?.up === true && link.up ? connectedOf(addresses, routes) : addresses,
    localnet: other !== undefined && isLocalnet(namespace, other.name),
    routes: ownOf(routes).map(({ destination, gateway = '' }) => ({ destination, gateway })),
  };
  return { kind: 'uplink', name: link.name, alias: link.alias ?? '', mtu: link.mtu ?? 0, up: link.up, end };
}

function isLocalnet(namespace: Namespace, link: string): boolean {
  try {
    return readSysctl(namespace, localnetOf(link)) === '1';
  } catch (error) {
    // It went after it was read.
    if (error instanceof NetlinkError && error.code === 'ENOENT') return false;
    throw error;
  }
}

/** A sysctl's path; a dot in a link's name is a slash there, and ours have none. */
function localnetOf(link: string): string {
  return `net/ipv4/conf/${link}/route_localnet`;
}

/** Routes of ours over a link, of all that lead over it; those that the kernel makes of addresses are not. */
export function routeObjects({ name }: Link, routes: readonly Route[]): RouteObject[] {
  return ownOf(routes).map(({ destination, gateway = '', table, onlink }): RouteObject => {
    const place = table === RT_TABLE_MAIN ? {} : { table };
    return { kind: 'route', link: name, destination, gateway, ...place, ...(onlink ? { onlink } : {}) };
  });
}

function ownOf(routes: readonly Route[]): Route[] {
  return routes.filter(({ protocol }) => protocol === ROUTE_PROTOCOL);
}

async function addressesOf(rt: RouteSocket, index: number): Promise<string[]> {
  const addresses = await rt.addresses.list({ index });
  return addresses
    .filter((one) => one.index === index)
    .map(({ address, prefix }) => `${address}/${prefix}`)
    .sort();
}

function split(cidr: string): { address: string; prefix: number } {
  const parsed = parseInterfaceAddress(cidr);
  if (!parsed) throw new WeftError('internal', `not an address: ${cidr}`);
  return { address: formatAddress(parsed.address), prefix: parsed.cidr.prefix };
}
