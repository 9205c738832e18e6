/**
 * Kernel multicast as wakes: links that come, change or go, addresses and entries that are deleted, rulesets that are committed. Events
 * of our own doing wake too; the round that follows finds nothing to do and makes no events, so that ends by itself.
 */
import { AttributeReader, monitorRoutes, NETLINK_NETFILTER, NETLINK_ROUTE, openMonitor } from 'netlink-ts';
import type { MonitorEvent, Namespace, RouteEvent, RouteTopic } from 'netlink-ts';
import { UPLINK_CHANGED } from '../plan/kernel-port.ts';
import type { KernelEvent } from '../plan/kernel-port.ts';
import { UPLINKS } from './host-egress.ts';
import { ROUTE_PROTOCOL } from './uplinks.ts';

const NFNLGRP_NFTABLES = 7;
/** changes of forwarding and its like below /proc/sys/net */
const RTNLGRP_IPV4_NETCONF = 24;
const RTNLGRP_IPV6_NETCONF = 25;
/** struct netconfmsg, aligned */
const NETCONF_HEADER = 4;
const NETCONFA_IFINDEX = 1;

export class KernelEvents {
  readonly #followed = new Map<string, { inode: number; stop: AbortController }>();
  #queue: KernelEvent[] = [];
  #wake: (() => void) | undefined;
  readonly #failed: (error: unknown) => void;
  readonly #settingChanged: (namespace: string) => void;

  constructor(failed: (error: unknown) => void, settingChanged: (namespace: string) => void) {
    this.#failed = failed;
    this.#settingChanged = settingChanged;
  }

  /** Idempotent; a namespace bound anew under the same name is followed anew. */
  follow(name: string | null, namespace: Namespace): void {
    const key = name ?? '';
    const known = this.#followed.get(key);
    if (known?.inode === namespace.inode) return;
    known?.stop.abort();
    const stop = new AbortController();
    this.#followed.set(key, { inode: namespace.inode, stop });
    const { signal } = stop;
    // Of the host's namespace only the ends of uplinks are ours.
    const topics: RouteTopic[] =
      name === null ? ['links', 'addresses', 'routes'] : ['links', 'addresses', 'neighbours', 'routes', 'rules'];
    this.#run(monitorRoutes({ netns: namespace.fd, topics, signal }), (event) => {
      const what = name === null ? describeUplink(event) : describe(event);
      if (what !== undefined) this.#add({ namespace: name, what });
    });
    if (name !== null) {
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
    this.#followed.get(name)?.stop.abort();
    this.#followed.delete(name);
  }

  close(): void {
    for (const { stop } of this.#followed.values()) stop.abort();
    this.#followed.clear();
  }

  async *read(signal: AbortSignal): AsyncIterable<KernelEvent> {
    signal.addEventListener('abort', () => this.#wake?.(), { once: true });
    for (;;) {
      const events = this.#queue;
      this.#queue = [];
      yield* events;
      if (isOver(signal)) return;
      if (this.#queue.length > 0) continue;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
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
    if (!this.#queue.some(says)) this.#queue.push(event);
    this.#wake?.();
  }
}

function isOver(signal: AbortSignal): boolean {
  return signal.aborted;
}

/** In the host's namespace; others' links, addresses and routes come and go without end. */
function describeUplink(event: RouteEvent): string | undefined {
  if (event.kind === 'overrun') return UPLINK_CHANGED;
  if (event.kind === 'link') return event.link.name.startsWith(UPLINKS) ? UPLINK_CHANGED : undefined;
  // A manager of links flushes routes that it did not make.
  if (event.kind === 'route') {
    const ours = event.route.protocol === ROUTE_PROTOCOL || isTransit(event.route.destination);
    return ours && event.change === 'delete' ? UPLINK_CHANGED : undefined;
  }
  const transit = event.kind === 'address' && isTransit(event.address.address);
  return transit && event.change === 'delete' ? UPLINK_CHANGED : undefined;
}

/** Of IPv6 all ULAs are taken for it: a wake too many costs little. */
function isTransit(address: string): boolean {
  return address.startsWith('169.254.') || address.startsWith('fd');
}

/** Undefined for what cannot be drift: entries that appear, or change their state as traffic goes by. */
function describe(event: RouteEvent): string | undefined {
  if (event.kind === 'overrun') return 'missed events';
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
