/** The host's address for the overlay as its kernel has it now, and when that may have changed. */
import { monitorRoutes, RouteSocket } from 'netlink-ts';
import type { RouteEvent } from 'netlink-ts';
import { parseCidr } from '../model/address/cidr.ts';
import type { Cidr } from '../model/address/cidr.ts';
import { chooseUnderlay, SCOPE_GLOBAL } from './underlay-choice.ts';
import type { Underlay, UnderlayWish } from './underlay-choice.ts';

export type { Underlay, UnderlayWish } from './underlay-choice.ts';

interface Place {
  /** the host's namespace file; the process's own when left out */
  netns?: string | undefined;
}

/** As `chooseUnderlay` has it. */
export async function findUnderlay(
  wish: UnderlayWish,
  { netns, held }: Place & { held?: string } = {},
): Promise<Underlay> {
  const rt = RouteSocket.open(netns === undefined ? {} : { netns });
  try {
    const [links, addresses, routes] = [await rt.links.list(), await rt.addresses.list(), await rt.routes.list()];
    return chooseUnderlay(wish, { links, addresses, routes }, held);
  } finally {
    rt.close();
  }
}

/**
 * Once for each change of an address or a default route of the host, and of the link that `current` names. Listens from the
 * call on; ends with the signal.
 */
export function underlayEvents(
  current: () => string,
  signal: AbortSignal,
  { netns }: Place = {},
): AsyncIterable<RouteEvent['kind']> {
  const topics = ['links', 'addresses', 'routes'] as const;
  const events = monitorRoutes({ topics: [...topics], signal, ...(netns === undefined ? {} : { netns }) });
  return concerning(events, current);
}

async function* concerning(
  events: AsyncIterable<RouteEvent>,
  current: () => string,
): AsyncGenerator<RouteEvent['kind']> {
  for await (const event of events) if (concerns(event, current())) yield event.kind;
}

function concerns(event: RouteEvent, current: string): boolean {
  switch (event.kind) {
    case 'overrun':
      return true;
    case 'address':
      return event.address.scope === SCOPE_GLOBAL;
    case 'route':
      return event.route.destination.endsWith('/0');
    case 'link':
      return event.link.name === current;
    default:
      return false;
  }
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
