/** The routes that the kernel makes of a link's addresses. They can be taken away without these, which then lead nowhere. */
import type { Route, RouteSocket } from 'netlink-ts';
import { formatCidr, parseInterfaceAddress } from '../model/address/cidr.ts';
import { WeftError } from '../model/errors.ts';

/** RTPROT_KERNEL */
const KERNEL_PROTOCOL = 2;

/** Of one link, or of all of a namespace; not what the kernel has learned of single destinations. */
export async function routesOver(rt: RouteSocket, index?: number): Promise<Route[]> {
  const routes = await rt.routes.list(index === undefined ? {} : { oif: index });
  return routes
    .filter((route) => !route.cloned && (index === undefined || route.oif === index))
    .sort((a, b) => (a.destination < b.destination ? -1 : 1));
}

/** Those of a link's addresses whose network it leads to, by the routes over it. */
export function connectedOf(addresses: readonly string[], routes: readonly Route[]): string[] {
  const made = routes.filter(({ protocol }) => protocol === KERNEL_PROTOCOL);
  const networks = new Set(made.map(({ destination }) => destination));
  return addresses.filter((cidr) => networks.has(networkOf(cidr)));
}

function networkOf(cidr: string): string {
  const parsed = parseInterfaceAddress(cidr);
  if (!parsed) throw new WeftError('internal', `not an address: ${cidr}`);
  return formatCidr(parsed.cidr);
}
