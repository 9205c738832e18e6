/** Which of the host's addresses carries the overlay. Chosen, never guessed: where several could, the user says. */
import { RouteSocket } from 'netlink-ts';
import type { InterfaceAddress, Link } from 'netlink-ts';
import { canonicalAddress } from '../model/address/address.ts';
import { formatCidr, parseCidr, parseInterfaceAddress } from '../model/address/cidr.ts';
import type { Cidr } from '../model/address/cidr.ts';
import { WeftError } from '../model/errors.ts';
import { isPinned } from './pinned-addresses.ts';

export interface Underlay {
  address: string;
  interface: string;
  mtu: number;
  /** by which the host can be reached: of this interface, and of others that are no engine's or hypervisor's */
  addresses: string[];
  /** CIDR text, of this interface */
  subnets: string[];
}

export interface UnderlayWish {
  address?: string | undefined;
  interface?: string | undefined;
  family?: 4 | 6 | undefined;
}

const SCOPE_GLOBAL = 0;
const IFF_LOOPBACK = 8;
/** Made by engines, hypervisors and weft: never an underlay unless named, or the way of the default route. */
const VIRTUAL_KINDS = new Set(['bridge', 'veth', 'vxlan', 'tun', 'wireguard', 'macvlan']);

/** Throws `underlay-ambiguous`, or `configuration-invalid` for a wish that the host does not have. */
export async function findUnderlay(wish: UnderlayWish, netns?: string): Promise<Underlay> {
  const rt = RouteSocket.open(netns === undefined ? {} : { netns });
  try {
    const [links, routes] = [await rt.links.list(), await rt.routes.list()];
    // What is here for as long as this node leads a tenant's packets is not the host's own.
    const addressesOfHost = (await rt.addresses.list()).filter((one) => !isPinned(one));
    const family = wish.family ?? (wish.address?.includes(':') ? 6 : 4);
    const usable = addressesOfHost.filter(
      (one) => one.scope === SCOPE_GLOBAL && one.address.includes(':') === (family === 6),
    );
    const byIndex = new Map(links.map((link) => [link.index, link]));
    const fitting = usable.filter((one) => fits(wish, one, byIndex.get(one.index)));
    const defaultRoute = family === 6 ? '::/0' : '0.0.0.0/0';
    const defaults = new Set(routes.filter((one) => one.destination === defaultRoute).map((one) => one.oif));
    const routed = fitting.filter((one) => defaults.has(one.index));
    const physical = fitting.filter((one) => !VIRTUAL_KINDS.has(byIndex.get(one.index)?.kind ?? ''));
    const named = wish.address !== undefined || wish.interface !== undefined;
    const candidates = named ? fitting : routed.length > 0 ? routed : physical;
    const [only, second] = candidates;
    const link = only && byIndex.get(only.index);
    if (!link || second) throw unclear(wish, candidates, byIndex, family);
    const addresses = reachable(addressesOfHost, byIndex, link);
    const subnets = subnetsOf(addressesOfHost.filter(({ index }) => index === link.index));
    return { address: only.address, interface: link.name, mtu: link.mtu ?? 1500, addresses, subnets };
  } finally {
    rt.close();
  }
}

function subnetsOf(addresses: readonly InterfaceAddress[]): string[] {
  const global = addresses.filter(({ scope }) => scope === SCOPE_GLOBAL);
  const parsed = global.flatMap(({ address, prefix }) => parseInterfaceAddress(`${address}/${prefix}`) ?? []);
  return [...new Set(parsed.map(({ cidr }) => formatCidr(cidr)))].sort();
}

function reachable(all: InterfaceAddress[], byIndex: Map<number, Link>, underlay: Link): string[] {
  const counts = ({ index, scope }: InterfaceAddress) => {
    const link = byIndex.get(index);
    if (!link || scope !== SCOPE_GLOBAL || (link.flags & IFF_LOOPBACK) !== 0) return false;
    return index === underlay.index || !VIRTUAL_KINDS.has(link.kind ?? '');
  };
  return all
    .filter(counts)
    .map(({ address }) => address)
    .sort();
}

function fits(wish: UnderlayWish, one: InterfaceAddress, link: Link | undefined): boolean {
  if (!link || (link.flags & IFF_LOOPBACK) !== 0) return false;
  if (wish.address !== undefined) return one.address === canonicalAddress(wish.address);
  if (wish.interface !== undefined) return link.name === wish.interface;
  return link.up;
}

function unclear(
  wish: UnderlayWish,
  candidates: InterfaceAddress[],
  byIndex: Map<number, Link>,
  family: 4 | 6,
): WeftError {
  const found = candidates.map((one) => `${one.address} on ${byIndex.get(one.index)?.name ?? '?'}`).join(', ');
  if (candidates.length > 1)
    return new WeftError('underlay-ambiguous', `several addresses could carry the overlay: ${found}`);
  const asked = wish.address ?? wish.interface;
  return new WeftError(
    'configuration-invalid',
    asked === undefined
      ? `underlay: this host has no IPv${family} address that could carry the overlay`
      : `underlay: this host has no IPv${family} address ${asked}`,
    { object: 'underlay', next: 'set underlay.address to an address of this host: ip address' },
  );
}

/** Ranges that the host's main table reaches, without default routes. */
export async function hostRoutes(netns?: string): Promise<Cidr[]> {
  const rt = RouteSocket.open(netns === undefined ? {} : { netns });
  try {
    const routes = await rt.routes.list({ table: 254 });
    return routes.flatMap((route) => parseCidr(route.destination) ?? []).filter((cidr) => cidr.prefix > 0);
  } finally {
    rt.close();
  }
}
