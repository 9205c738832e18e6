/**
 * Kernel multicast as wakes: links that come, change or go, addresses and entries that are deleted, rulesets that are committed. Events
 * of our own doing wake too; the round that follows finds nothing to do and makes no events, so that ends by itself.
 */
import { monitorRoutes, NETLINK_NETFILTER, openMonitor } from 'netlink-ts';
import type { Namespace, RouteEvent } from 'netlink-ts';
import type { KernelEvent } from '../plan/kernel-port.ts';

const NFNLGRP_NFTABLES = 7;

export class KernelEvents {
  readonly #followed = new Map<string, { inode: number; stop: AbortController }>();
  #queue: KernelEvent[] = [];
  #wake: (() => void) | undefined;
  readonly #failed: (error: unknown) => void;

  constructor(failed: (error: unknown) => void) {
    this.#failed = failed;
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
    if (name !== null) {
      const events = monitorRoutes({ netns: namespace.fd, topics: ['links', 'addresses', 'neighbours'], signal });
      this.#run(events, (event) => {
        const what = describe(event);
        if (what !== undefined) this.#add({ namespace: name, what });
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

  /** One wake for a namespace says as much as many. */
  #add(event: KernelEvent): void {
    if (!this.#queue.some((other) => other.namespace === event.namespace)) this.#queue.push(event);
    this.#wake?.();
  }
}

function isOver(signal: AbortSignal): boolean {
  return signal.aborted;
}

/** Undefined for what cannot be drift: entries that appear, or change their state as traffic goes by. */
function describe(event: RouteEvent): string | undefined {
  if (event.kind === 'overrun') return 'missed events';
  if (event.kind === 'link') return `link ${event.link.name}`;
  return event.change === 'delete' ? event.kind : undefined;
}
