/**
 * Kernel multicast as wakes: links that come, change or go, addresses and entries that are deleted, rulesets that are committed. Events
 * of our own doing wake too; the round that follows finds nothing to do and makes no events, so that ends by itself.
 */
import { AttributeReader, monitorRoutes, NETLINK_NETFILTER, NETLINK_ROUTE, openMonitor } from 'netlink-ts';
import type { InterfaceAddress, MonitorEvent, Namespace, RouteEvent, RouteTopic } from 'netlink-ts';
import { UPLINK_CHANGED } from '../plan/kernel-port.ts';
import type { KernelEvent } from '../plan/kernel-port.ts';
import { FollowedNamespaces } from './followed.ts';
import { UPLINKS } from './host-egress.ts';
import { Mailbox } from './mailbox.ts';
import { isPinned } from './pinned-addresses.ts';
import { ROUTE_PROTOCOL } from './uplinks.ts';

const NFNLGRP_NFTABLES = 7;
/** changes of forwarding and its like below /proc/sys/net */
const RTNLGRP_IPV4_NETCONF = 24;
const RTNLGRP_IPV6_NETCONF = 25;
/** struct netconfmsg, aligned */
const NETCONF_HEADER = 4;
const NETCONFA_IFINDEX = 1;
const MISSED = 'missed events';
/** What an address has left when its time is over: the kernel rounds, and comes up to a quarter of a second early. */
const LAST_SECOND = 1;

export class KernelEvents {
  readonly #followed = new FollowedNamespaces();
  readonly #events = new Mailbox<KernelEvent>();
  readonly #failed: (error: unknown) => void;
  readonly #settingChanged: (namespace: string) => void;

  constructor(failed: (error: unknown) => void, settingChanged: (namespace: string) => void) {
    this.#failed = failed;
    this.#settingChanged = settingChanged;
  }

  /** Idempotent; a namespace bound anew under the same name is followed anew. */
  follow(name: string | null, namespace: Namespace): void {
    const signal = this.#followed.begin(name ?? '', namespace);
    if (!signal) return;
    const follow = (topics: RouteTopic[], whatOf: (event: RouteEvent) => string | undefined) => {
      this.#run(monitorRoutes({ netns: namespace.fd, topics, signal }), (event) => {
        const what = whatOf(event);
        if (what !== undefined) this.#add({ namespace: name, what });
      });
    };
    if (name === null) {
      follow(['links', 'addresses'], describeUplink);
      // Routing daemons change so many that some are missed now and then: no reason to look at every tenant.
      follow(['routes'], (event) => (event.kind === 'overrun' ? MISSED : describeUplink(event)));
    } else {
      follow(['links', 'addresses', 'neighbours', 'routes', 'rules'], describe);
      const groups = [RTNLGRP_IPV4_NETCONF, RTNLGRP_IPV6_NETCONF];
      const settings = openMonitor({ protocol: NETLINK_ROUTE, groups, netns: namespace.fd, signal });
      this.#run(settings, (event) => {
        if (isOfLink(event)) return;
        this.#settingChanged(name);
        this.#add({ namespace: name, what: 'setting' });
      });
    }
    const commits = openMonitor({
      protocol: NETLINK_NETFILTER,
      groups: [NFNLGRP_NFTABLES],
      netns: namespace.fd,
      signal,
    });
    this.#run(commits, () => this.#add({ namespace: name, what: 'ruleset' }));
  }

  forget(name: string): void {
    this.#followed.forget(name);
  }

  close(): void {
    this.#followed.close();
  }

  read(signal: AbortSignal): AsyncIterable<KernelEvent> {
    return this.#events.read(signal);
  }

  #run<T>(events: AsyncIterable<T>, accept: (event: T) => void): void {
    const read = async () => {
      for await (const event of events) accept(event);
    };
    // The end of a monitor costs promptness only: the periodic look finds what it would have told.
    read().catch(this.#failed);
  }

  /** One wake for a namespace says as much as many; the host's says less than that of its uplinks. */
  #add(event: KernelEvent): void {
    const says = (other: KernelEvent) =>
      other.namespace === event.namespace && (other.namespace !== null || other.what === event.what);
    if (!this.#events.waiting.some(says)) this.#events.post(event);
  }
}

/** In the host's namespace, where only the ends of uplinks and pinned addresses are ours; others' links, addresses and routes come and go without end. */
function describeUplink(event: RouteEvent): string | undefined {
  if (event.kind === 'overrun') return UPLINK_CHANGED;
  if (event.kind === 'link') return event.link.name.startsWith(UPLINKS) ? UPLINK_CHANGED : undefined;
  // A manager of links flushes routes that it did not make.
  if (event.kind === 'route') {
    const ours = event.route.protocol === ROUTE_PROTOCOL || isTransit(event.route.destination);
    return ours && event.change === 'delete' ? UPLINK_CHANGED : undefined;
  }
  return event.kind === 'address' && event.change === 'delete' ? describeLost(event.address) : undefined;
}

/** A pinned address that the kernel took away at the end of its lifetime is not missed: who leads would have renewed it. */
function describeLost(address: InterfaceAddress): string | undefined {
  if (isPinned(address)) return (address.lifetime ?? Infinity) > LAST_SECOND ? 'pinned address' : undefined;
  return isTransit(address.address) ? UPLINK_CHANGED : undefined;
}

/** Of IPv6 all ULAs are taken for it: a wake too many costs little. */
function isTransit(address: string): boolean {
  return address.startsWith('169.254.') || address.startsWith('fd');
}

/** Undefined for what cannot be drift: entries that appear, or change their state as traffic goes by. */
function describe(event: RouteEvent): string | undefined {
  if (event.kind === 'overrun') return MISSED;
  if (event.kind === 'link') return `link ${event.link.name}`;
  return event.change === 'delete' ? event.kind : undefined;
}

/** Each new link tells of its settings; those of the namespace have numbers below 0 in its place (-1 all, -2 default). */
function isOfLink(event: MonitorEvent): boolean {
  if (event.kind === 'overrun') return false;
  const attributes = new AttributeReader(event.message.payload.subarray(NETCONF_HEADER));
  while (attributes.next()) if (attributes.type === NETCONFA_IFINDEX) return attributes.i32() >= 0;
  return false;
}
