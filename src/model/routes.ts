/** Routes of a network beside its gateway: what its containers reach through another member of it. */
import { parseAddress, formatAddress } from './address/address.ts';
import { contains, formatCidr, overlaps, parseCidr, parseInterfaceAddress } from './address/cidr.ts';
import type { Network, StaticRoute, Subnet } from './objects.ts';
import { clip, invalid } from './validate.ts';

/** so that a record of a network, and an engine's join, stay small */
const MOST_ROUTES = 32;

/** Canonical text and order, so that two askers of the same routes agree; `path` begins the message of a refusal. */
export function checkRoutes(path: string, routes: StaticRoute[], subnets: Subnet[]): StaticRoute[] {
  if (routes.length > MOST_ROUTES) throw invalid(path, `${routes.length} routes are more than ${MOST_ROUTES}`);
  const checked = routes.map((route) => checkRoute(path, route, subnets));
  const order = new Map(checked.map((route) => [route.destination, route]));
  if (order.size < checked.length) throw invalid(path, 'two routes have one destination');
  return [...order.values()].sort((a, b) => (a.destination < b.destination ? -1 : 1));
}

function checkRoute(path: string, route: StaticRoute, subnets: Subnet[]): StaticRoute {
  const destination = parseCidr(route.destination);
  if (!destination) throw invalid(path, `"${clip(route.destination)}" is not a subnet such as 10.9.0.0/16`);
  const via = parseAddress(route.via);
  if (!via) throw invalid(path, `"${clip(route.via)}" is not an IP address`);
  const text = formatCidr(destination);
  if (destination.prefix === 0) throw invalid(path, `${text}: the default route is the gateway's`);
  const own = subnets.map((subnet) => parseCidr(subnet.cidr)).filter((cidr) => cidr !== undefined);
  if (own.some((cidr) => overlaps(cidr, destination))) throw invalid(path, `${text} overlaps the network itself`);
  if (via.family !== destination.family || !own.some((cidr) => contains(cidr, via))) {
    throw invalid(path, `${text} leads to ${route.via}, which is in no IPv${destination.family} subnet of the network`);
  }
  return { destination: text, via: formatAddress(via) };
}

/** Subnets of the network, of the families of these addresses, in which none of them lies: they are on the same link. */
export function linksFor(network: Network, addresses: string[]): string[] {
  const own = addresses.flatMap((text) => parseInterfaceAddress(text) ?? []);
  return network.subnets.flatMap(({ cidr: text }) => {
    const cidr = parseCidr(text);
    const family = own.filter(({ address }) => address.family === cidr?.family);
    return cidr && family.length > 0 && !family.some(({ address }) => contains(cidr, address)) ? [text] : [];
  });
}

/** Those whose next hop an endpoint with these addresses ("10.1.2.3/16") has on its link. */
export function routesFor(network: Network, addresses: string[]): StaticRoute[] {
  const links = addresses.flatMap((text) => parseInterfaceAddress(text)?.cidr ?? []);
  return (network.routes ?? []).filter(({ via }) => {
    const hop = parseAddress(via);
    return hop !== undefined && links.some((link) => contains(link, hop));
  });
}
