/** rtnetlink's multicast as typed events. An event only says where to look; the truth is a dump. */
import { DecodeError } from '../errors.ts';
import { openMonitor } from '../socket/monitor.ts';
import type { MonitorEvent } from '../socket/monitor.ts';
import { NETLINK_ROUTE } from '../socket/socket.ts';
import type { SocketOptions } from '../socket/socket.ts';
import type { NetlinkMessage } from '../wire/message.ts';
import { decodeAddress } from './address.ts';
import type { InterfaceAddress } from './address.ts';
import * as rtm from './constants.ts';
import { decodeLink } from './link.ts';
import type { Link } from './link.ts';
import { decodeFdb, decodeNeighbour } from './neighbour.ts';
import type { FdbEntry, Neighbour } from './neighbour.ts';
import { decodeRoute } from './route.ts';
import type { Route } from './route.ts';
import { decodeRule } from './rule.ts';
import type { RoutingRule } from './rule.ts';
import { decodeFilter } from './traffic/filter.ts';
import type { Filter } from './traffic/filter.ts';
import { decodeQdisc } from './traffic/qdisc.ts';
import type { Qdisc } from './traffic/qdisc.ts';

export type RouteEvent =
  | { kind: 'link'; change: 'new' | 'delete'; link: Link }
  | { kind: 'address'; change: 'new' | 'delete'; address: InterfaceAddress }
  | { kind: 'neighbour'; change: 'new' | 'delete'; neighbour: Neighbour }
  | { kind: 'fdb'; change: 'new' | 'delete'; entry: FdbEntry }
  | { kind: 'route'; change: 'new' | 'delete'; route: Route }
  | { kind: 'rule'; change: 'new' | 'delete'; rule: RoutingRule }
  | { kind: 'qdisc'; change: 'new' | 'delete'; qdisc: Qdisc }
  | { kind: 'filter'; change: 'new' | 'delete'; filter: Filter }
  /** something was missed: read everything again */
  | { kind: 'overrun' };

const GROUPS = {
  links: [rtm.RTNLGRP_LINK],
  addresses: [rtm.RTNLGRP_IPV4_IFADDR, rtm.RTNLGRP_IPV6_IFADDR],
  neighbours: [rtm.RTNLGRP_NEIGH],
  routes: [rtm.RTNLGRP_IPV4_ROUTE, rtm.RTNLGRP_IPV6_ROUTE],
  rules: [rtm.RTNLGRP_IPV4_RULE, rtm.RTNLGRP_IPV6_RULE],
  traffic: [rtm.RTNLGRP_TC],
} as const;

export type RouteTopic = keyof typeof GROUPS;

/** Subscribed when this returns; ends with the signal. Forwarding entries come with `neighbours`. */
export function monitorRoutes(
  options: SocketOptions & { topics: RouteTopic[]; signal: AbortSignal },
): AsyncGenerator<RouteEvent> {
  const groups = options.topics.flatMap((topic) => [...GROUPS[topic]]);
  // Not in the generator itself, whose body begins with the first `next()`: what happens before it would be missed.
  return decodeEvents(openMonitor({ ...options, protocol: NETLINK_ROUTE, groups }));
}

async function* decodeEvents(events: AsyncIterable<MonitorEvent>): AsyncGenerator<RouteEvent> {
  for await (const event of events) {
    const decoded = event.kind === 'overrun' ? event : readable(event.message);
    if (decoded) yield decoded;
  }
}

/** An event that cannot be read is a missed one. */
function readable(message: NetlinkMessage): RouteEvent | undefined {
  try {
    return decodeEvent(message);
  } catch (error) {
    if (error instanceof DecodeError) return { kind: 'overrun' };
    throw error;
  }
}

const CHANGES = ['new', 'delete'] as const;

export function decodeEvent({ type, payload }: NetlinkMessage): RouteEvent | undefined {
  // Of the four types of an object, the first says that it is new or changed, the second that it is gone.
  const change = CHANGES[type & 3];
  return change && decodeChange(type & ~3, change, payload);
}

function decodeChange(type: number, change: 'new' | 'delete', payload: Buffer): RouteEvent | undefined {
  switch (type) {
    case rtm.RTM_NEWLINK:
      return { kind: 'link', change, link: decodeLink(payload) };
    case rtm.RTM_NEWADDR:
      return { kind: 'address', change, address: decodeAddress(payload) };
    case rtm.RTM_NEWNEIGH:
      return decodeEntry(change, payload);
    case rtm.RTM_NEWROUTE: {
      const route = decodeRoute(payload);
      return route && { kind: 'route', change, route };
    }
    case rtm.RTM_NEWRULE: {
      const rule = decodeRule(payload);
      return rule && { kind: 'rule', change, rule };
    }
    case rtm.RTM_NEWQDISC:
      return { kind: 'qdisc', change, qdisc: decodeQdisc(payload) };
    case rtm.RTM_NEWTFILTER:
      return { kind: 'filter', change, filter: decodeFilter(payload) };
    default:
      return undefined;
  }
}

function decodeEntry(change: 'new' | 'delete', payload: Buffer): RouteEvent | undefined {
  const entry = decodeFdb(payload);
  if (entry) return { kind: 'fdb', change, entry };
  const neighbour = decodeNeighbour(payload);
  return neighbour && { kind: 'neighbour', change, neighbour };
}
