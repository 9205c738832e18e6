/** Which of a host's addresses carries the overlay. Chosen, never guessed: where several could, the user says. Pure. */
import type { InterfaceAddress, Link, Route } from 'netlink-ts';
import { canonicalAddress } from '../model/address/address.ts';
import { formatCidr, parseInterfaceAddress } from '../model/address/cidr.ts';
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

/** What the host's kernel shows. */
export interface UnderlayFacts {
  links: readonly Pick<Link, 'index' | 'name' | 'kind' | 'flags' | 'up' | 'mtu'>[];
  addresses: readonly Pick<InterfaceAddress, 'index' | 'address' | 'prefix' | 'scope' | 'metric'>[];
  routes: readonly Pick<Route, 'destination' | 'oif'>[];
}

type FoundLink = UnderlayFacts['links'][number];
type FoundAddress = UnderlayFacts['addresses'][number];

export const SCOPE_GLOBAL = 0;
const IFF_LOOPBACK = 8;
/** Made by engines, hypervisors and weft: never an underlay unless named, or the way of the default route. */
const VIRTUAL_KINDS = new Set(['bridge', 'veth', 'vxlan', 'tun', 'wireguard', 'macvlan']);

/**
 * `held`: the address in use, which stays for as long as the host has it, whatever others come beside it. Throws
 * `underlay-ambiguous`, or `configuration-invalid` for a wish that the host does not have.
 */
export function chooseUnderlay(wish: UnderlayWish, facts: UnderlayFacts, held?: string): Underlay {
  const byIndex = new Map(facts.links.map((link) => [link.index, link]));
  // What is here for as long as this node leads a tenant's packets is not the host's own.
  const ofHost = facts.addresses.filter((one) => !isPinned(one));
  const family = wish.family ?? ((wish.address ?? held)?.includes(':') ? 6 : 4);
  const usable = ofHost.filter((one) => one.scope === SCOPE_GLOBAL && one.address.includes(':') === (family === 6));
  const fitting = usable.filter((one) => fits(wish, one, byIndex.get(one.index)));
  const kept = fitting.find(({ address }) => address === held);
  const candidates = kept ? [kept] : candidatesOf(wish, { fitting, byIndex, routes: facts.routes, family });
  const [only, second] = candidates;
  const link = only && byIndex.get(only.index);
  if (!link || second) throw unclear(wish, candidates, byIndex, family);
  return {
    address: only.address,
    interface: link.name,
    mtu: link.mtu ?? 1500,
    addresses: reachable(ofHost, byIndex, link),
    subnets: subnetsOf(ofHost.filter(({ index }) => index === link.index)),
  };
}

function candidatesOf(wish: UnderlayWish, { fitting, byIndex, routes, family }: Candidates): FoundAddress[] {
  if (wish.address !== undefined || wish.interface !== undefined) return fitting;
  const up = fitting.filter(({ index }) => byIndex.get(index)?.up);
  const defaultRoute = family === 6 ? '::/0' : '0.0.0.0/0';
  const defaults = new Set(routes.filter((one) => one.destination === defaultRoute).map((one) => one.oif));
  const routed = up.filter((one) => defaults.has(one.index));
  return routed.length > 0 ? routed : up.filter((one) => !VIRTUAL_KINDS.has(byIndex.get(one.index)?.kind ?? ''));
}

interface Candidates {
  fitting: FoundAddress[];
  byIndex: Map<number, FoundLink>;
  routes: UnderlayFacts['routes'];
  family: 4 | 6;
}

function subnetsOf(addresses: readonly FoundAddress[]): string[] {
  const global = addresses.filter(({ scope }) => scope === SCOPE_GLOBAL);
  const parsed = global.flatMap(({ address, prefix }) => parseInterfaceAddress(`${address}/${prefix}`) ?? []);
  return [...new Set(parsed.map(({ cidr }) => formatCidr(cidr)))].sort();
}

function reachable(all: FoundAddress[], byIndex: Map<number, FoundLink>, underlay: FoundLink): string[] {
  const counts = ({ index, scope }: FoundAddress) => {
    const link = byIndex.get(index);
    if (!link || scope !== SCOPE_GLOBAL || (link.flags & IFF_LOOPBACK) !== 0) return false;
    return index === underlay.index || !VIRTUAL_KINDS.has(link.kind ?? '');
  };
  return all
    .filter(counts)
    .map(({ address }) => address)
    .sort();
}

function fits(wish: UnderlayWish, one: FoundAddress, link: FoundLink | undefined): boolean {
  if (!link || (link.flags & IFF_LOOPBACK) !== 0) return false;
  if (wish.address !== undefined) return one.address === canonicalAddress(wish.address);
  return wish.interface === undefined || link.name === wish.interface;
}

function unclear(
  wish: UnderlayWish,
  candidates: FoundAddress[],
  byIndex: Map<number, FoundLink>,
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
