/**
 * What must hold after every step. It is judged by what callers were told and by what reached etcd, with records of its own:
 * nothing here asks the product whether it is right.
 */
import { formatCidr } from '../../src/model/address/cidr.ts';
import { cidrFrom } from '../../src/model/ipam/blocks.ts';
import type { BlockRecord } from '../../src/model/ipam/blocks.ts';
import { cidrsOf, spanOf, without } from '../../src/model/ipam/spans.ts';
import { keys, prefixes } from '../../src/model/keys.ts';
import type { Network, RestorationRecord } from '../../src/model/objects.ts';
import { RESTING_TIME } from '../../src/model/limits.ts';
import type { Journal } from '../../src/store/journal/port.ts';
import type { Change } from '../../src/store/port.ts';
import type { SimDaemon } from './sim-daemon.ts';
import type { SimCommit, Writer } from './sim-etcd.ts';
import type { SimHost } from './sim-host.ts';
import type { SimWorld } from './sim-world.ts';

/** An endpoint whose attach was answered, and whose detach was not asked for; or an address that is held for an engine. */
export interface Live {
  kind: 'manual' | 'engine' | 'hold';
  /** id, or a name of the hold */
  endpoint: string;
  network: string;
  addresses: string[];
  host: SimHost;
  node: string;
}

interface Released {
  at: number;
  node: string;
  /** at which etcd showed the address free of its endpoint, and when */
  revision: number | undefined;
  shownAt: number;
}

export interface Granted {
  /** of the call */
  wanted: string | undefined;
  /** the node had not been proven in its boot when the call came */
  unproven: boolean;
  /** the address was the caller's before */
  held?: boolean;
}

export class Violation extends Error {}

/** milliseconds for which the giver's picture may not know yet that a node is live */
const NEWS = 15_000;

export class Judge {
  readonly #world: SimWorld;
  readonly live = new Map<string, Live>();
  /** by network/address */
  readonly #holders = new Map<string, Live>();
  readonly #released = new Map<string, Released>();
  /** by key: the node whose record etcd has */
  readonly #owners = new Map<string, string>();
  readonly #blocks = new Map<string, BlockRecord>();
  /** by node: since when etcd has its lease without a break */
  readonly #liveSince = new Map<string, number>();
  /** nodes that were forgotten, and at which revision */
  readonly fenced = new Map<string, number>();
  /** ids of networks that end by force */
  readonly #forced = new Set<string>();
  /** ids of those whose deletion was begun */
  readonly #leaving = new Set<string>();
  /** etcd was put back, and not all nodes have written again what is theirs */
  #recovering = false;
  found: Violation | undefined;

  constructor(world: SimWorld) {
    this.#world = world;
    world.etcd.onCommit((commit, writer) => this.#committed(commit, writer));
    world.etcd.onRestart(() => this.#restored());
  }

  /** etcd has a lease of this node. */
  isLive(node: string): boolean {
    return this.#liveSince.has(node);
  }

  violated(text: string): void {
    this.found ??= new Violation(text);
  }

  /** A network ends by force, and all in it. */
  forced(network: string): void {
    this.#forced.add(network);
    this.allEnded((live) => live.network === network);
  }

  /** Those holds have become an endpoint. */
  bound(daemon: SimDaemon, holds: string[], live: Live): void {
    for (const hold of holds) this.#forgetLive(hold);
    this.attached(daemon, live, { wanted: undefined, unproven: false, held: true });
  }

  /** The time of a hold is over. */
  expired(hold: Live): void {
    if (this.live.get(hold.endpoint) === hold) this.#forgetLive(hold.endpoint);
  }

  /** An attach was answered. */
  attached(daemon: SimDaemon, live: Live, granted: Granted): void {
    // Members take no packet from it, whatever it does.
    if (this.fenced.has(live.node) || this.#forced.has(live.network)) return;
    for (const address of live.addresses) {
      const place = `${live.network}/${address}`;
      const other = this.#holders.get(place);
      if (other)
        this.violated(
          `${address} is ${live.endpoint}'s on ${live.host.name} and ${other.endpoint}'s on ${other.host.name}`,
        );
      if (!granted.held) this.#rested(daemon.host, { place, ...granted });
      this.#holders.set(place, live);
      this.#released.delete(place);
    }
    this.live.set(live.endpoint, live);
  }

  /** From now on it is nobody's business whether packets reach it. */
  ended(endpoint: string): Live | undefined {
    const live = this.#forgetLive(endpoint);
    for (const address of live?.addresses ?? []) {
      const released = { at: this.#world.clock.now, node: live?.node ?? '', revision: undefined, shownAt: 0 };
      this.#released.set(`${live?.network}/${address}`, released);
    }
    return live;
  }

  #forgetLive(endpoint: string): Live | undefined {
    const live = this.live.get(endpoint);
    if (!live) return undefined;
    this.live.delete(endpoint);
    for (const address of live.addresses) {
      const place = `${live.network}/${address}`;
      if (this.#holders.get(place) === live) this.#holders.delete(place);
    }
    return live;
  }

  /** The containers of a host are gone, and nobody will ever ask for them. */
  allEnded(which: (live: Live) => boolean): void {
    for (const live of [...this.live.values()]) if (which(live)) this.#forgetLive(live.endpoint);
  }

  /** Its disk knows of an older day: for the addresses that it releases in the meantime nobody else is told anything wrong. */
  diskRestored(host: SimHost): void {
    this.allEnded((live) => live.host === host);
    for (const [place, { node }] of this.#released) if (node === host.nodeId) this.#released.delete(place);
  }

  /** What was durable is there again. */
  journalOpened(daemon: SimDaemon, journal: Journal): void {
    for (const live of this.live.values()) {
      if (live.host !== daemon.host || journal.get(recordOf(live))) continue;
      this.violated(`${live.endpoint} was answered on ${live.host.name} and is not in its journal after a restart`);
    }
  }

  failed(daemon: SimDaemon, what: string, error: unknown): void {
    const { code = 'internal', message } = error as { code?: string; message: string };
    if (code === 'internal' && daemon.alive) this.violated(`${what} on ${daemon.host.name}: ${message}`);
  }

  /** The records of live endpoints stand where their owner keeps them. */
  step(): void {
    for (const live of this.live.values()) {
      const { daemon } = live.host;
      if (!daemon?.alive || !daemon.deps || daemon.journal?.failure || this.fenced.has(live.node)) continue;
      if (daemon.journal?.get(recordOf(live))) continue;
      this.violated(`${live.endpoint} (${live.addresses.join()}) on ${live.host.name} is live, and its record is gone`);
    }
  }

  #rested(host: SimHost, { place, wanted, unproven }: Granted & { place: string }): void {
    const released = this.#released.get(place);
    if (!released) return;
    const { clock, etcd, hosts } = this.#world;
    const age = clock.now - released.at;
    // Its last owner's host may have it back: what other hosts still know of it is right.
    if (released.node === host.nodeId && (unproven || wanted === place.split('/')[1])) return;
    if (age < RESTING_TIME) this.violated(`${place} was given again on ${host.name} after a rest of ${age} ms`);
    // Who has applied that a node was forgotten has nothing to do with its endpoints any more, as who has applied the release.
    const shown = Math.min(this.fenced.get(released.node) ?? Infinity, released.revision ?? etcd.revision + 1);
    for (const other of hosts) {
      // The one that released it follows its own journal.
      if ([host.nodeId, released.node].includes(other.nodeId) || other.isCopy || !other.daemon?.deps) continue;
      const since = this.#liveSince.get(other.nodeId);
      if (since === undefined || since > (released.shownAt || clock.now) - NEWS) continue;
      other.daemon.deps.reconciler.applied();
      if (other.applied >= shown) continue;
      this.violated(`${place} was given again on ${host.name}, and ${other.name} has not seen its release`);
    }
  }

  #committed(commit: SimCommit, writer: Writer | undefined): void {
    const gone = new Set<string>();
    for (const change of commit.changes) {
      if (change.type === 'delete' && change.key.startsWith(prefixes.networks))
        gone.add(change.key.slice(prefixes.networks.length));
    }
    for (const change of commit.changes) {
      if (change.type === 'put' && change.entry.key.startsWith(prefixes.networks))
        this.#networkChanged(change.entry.value as Network);
    }
    for (const network of gone) this.#networkGone(network);
    for (const change of commit.changes) this.#changed(change, { writer, gone, revision: commit.revision });
  }

  #changed(change: Change, by: { writer: Writer | undefined; gone: Set<string>; revision: number }): void {
    const key = change.type === 'put' ? change.entry.key : change.key;
    const value = change.type === 'put' ? change.entry.value : undefined;
    if (key.startsWith(prefixes.live)) this.#lease(key.slice(prefixes.live.length), value !== undefined);
    if (key === keys.restoration && (value as RestorationRecord | undefined)?.resumedAt !== undefined)
      this.#recovering = false;
    if (key.startsWith(prefixes.forgotten)) this.#forget(key.slice(prefixes.forgotten.length), by.revision);
    if (key.startsWith(prefixes.addresses) || key.startsWith(prefixes.endpoints)) this.#owned(key, value, by);
    if (key.startsWith(prefixes.blocks)) this.#block(key, value as BlockRecord | undefined, by.writer);
  }

  #networkChanged({ id, leaving }: Network): void {
    // By a user, or since only nodes that are not heard from own space in it.
    if (leaving?.force) this.forced(id);
    // What rests is given back with its space; when the network stays after all, it has rested too short.
    if (leaving || this.#leaving.has(id)) this.#restless(id);
    if (leaving) this.#leaving.add(id);
    else this.#leaving.delete(id);
  }

  #restless(network: string): void {
    for (const place of this.#released.keys()) if (place.startsWith(`${network}/`)) this.#released.delete(place);
  }

  #networkGone(network: string): void {
    const left = [...this.live.values()].find((live) => live.network === network && !this.fenced.has(live.node));
    if (left) this.violated(`network ${network} goes while ${left.endpoint} on ${left.host.name} is in it`);
    this.#restless(network);
  }

  #lease(node: string, held: boolean): void {
    if (!held) this.#liveSince.delete(node);
    else if (!this.#liveSince.has(node)) this.#liveSince.set(node, this.#world.clock.now);
  }

  #forget(node: string, revision: number): void {
    this.fenced.set(node, revision);
    this.allEnded((live) => live.node === node);
  }

  /** Invariant 6: nobody writes, or deletes, what is another's. */
  #owned(key: string, value: unknown, by: { writer: Writer | undefined; gone: Set<string>; revision: number }): void {
    const [, network = '', name = ''] = key.split('/');
    const before = this.#owners.get(key);
    const after = (value as { node?: string } | undefined)?.node;
    const { writer } = by;
    if (writer && !by.gone.has(network)) {
      if (!this.#recovering && before !== undefined && before !== writer.node && !this.fenced.has(before))
        this.violated(`${key} is ${before}'s, and ${writer.host} ${value === undefined ? 'deletes' : 'writes'} it`);
      if (after !== undefined && after !== writer.node) this.violated(`${writer.host} writes ${key} as ${after}`);
      if (this.fenced.has(writer.node)) this.violated(`${writer.host} is fenced and writes ${key}`);
    }
    if (after === undefined) this.#owners.delete(key);
    else this.#owners.set(key, after);
    const released = this.#released.get(`${network}/${name}`);
    if (!released || released.revision !== undefined || (value as { state?: string } | undefined)?.state === 'bound')
      return;
    released.revision = by.revision;
    released.shownAt = this.#world.clock.now;
  }

  /** Space leaves its owner by that owner's own hand. */
  #block(key: string, record: BlockRecord | undefined, writer: Writer | undefined): void {
    const before = this.#blocks.get(key);
    const parts = record?.parts.map((part) => `${part.cidr}=${part.owner.slice(-2)}`).join(' ') ?? 'free';
    this.#world.note(`${writer?.host ?? 'etcd'} writes block ${key.split('/').slice(2).join('/')}: ${parts}`);
    if (record) this.#blocks.set(key, record);
    else this.#blocks.delete(key);
    // The dead let go of what is in a network that ends by force.
    if (!before || !writer || this.#recovering || this.#forced.has(before.network)) return;
    for (const { cidr, owner } of before.parts) {
      if (owner === writer.node || this.fenced.has(owner)) continue;
      const kept = (record?.parts ?? []).filter((part) => part.owner === owner);
      const lost = without(
        [spanOf(cidrFrom(cidr))],
        kept.map((part) => spanOf(cidrFrom(part.cidr))),
      );
      const { family } = cidrFrom(cidr);
      if (lost.length > 0)
        this.violated(`${writer.host} takes ${cidrsOf(family, lost).map(formatCidr).join()} from ${owner}`);
    }
  }

  /** etcd holds an older day: what it says is no evidence against anybody until all have written what is theirs. */
  #restored(): void {
    this.#recovering = true;
    const { etcd } = this.#world;
    this.#owners.clear();
    this.#blocks.clear();
    this.#liveSince.clear();
    for (const prefix of [prefixes.addresses, prefixes.endpoints]) {
      for (const { key, value } of etcd.list(prefix)) this.#owners.set(key, (value as { node: string }).node);
    }
    for (const { key, value } of etcd.list(prefixes.blocks)) this.#blocks.set(key, value as BlockRecord);
    for (const { key } of etcd.list(prefixes.live)) this.#lease(key.slice(prefixes.live.length), true);
    for (const host of this.#world.hosts) host.applied = 0;
    // What was shown before has no revision in this history.
    for (const released of this.#released.values()) if (released.revision !== undefined) released.revision = 0;
  }
}

function recordOf(live: Live): string {
  return live.kind === 'hold'
    ? keys.address(live.network, live.addresses[0] ?? '')
    : keys.endpoint(live.network, live.endpoint);
}
