/**
 * What time ends: resting addresses, holds that no endpoint took, endpoints that no container was joined to, pools that
 * no network took, networks of engines that lost their last user. Ages are measured by this process's monotonic clock from when it first saw the state, so a
 * restart or a changed wall clock only makes a wait longer.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { keys, prefixes } from '../model/keys.ts';
import { HOLD_TIME, LEAK_GRACE, RESTING_TIME } from '../model/limits.ts';
import type { AddressRecord, Endpoint } from '../model/objects.ts';
import type { Entry } from '../store/port.ts';
import { decideRest } from './addresses.ts';
import { staleClaims } from './claims.ts';
import { commit } from './commit.ts';
import type { ControlDeps } from './context.ts';
import { removeEndpoint } from './endpoints.ts';
import { dropUnused } from './engines/bindings.ts';
import { tendForgotten } from './forgotten.ts';
import { expiredTrust } from './membership.ts';
import { tendShared } from './sharing/tend.ts';
import { raiseLevel } from './level.ts';
import { tendLeaving } from './network-removal.ts';
import { isOwn } from './ownership/keys.ts';
import type { PoolRecord } from './engines/pools.ts';

/** between looks, in milliseconds */
const PAUSE = 1_000;

interface Sighting {
  revision: number;
  since: number;
}

interface Due {
  entry: Entry;
  reason: string;
}

export class Housekeeping {
  readonly #seen = new Map<string, Sighting>();
  /** what this round asked the age of: the rest is forgotten */
  readonly #looked = new Set<string>();
  readonly #deps: ControlDeps;
  readonly #clock: () => number;

  constructor(deps: ControlDeps, clock: () => number = () => performance.now()) {
    this.#deps = deps;
    this.#clock = clock;
  }

  /** One look. Throws `store-away`. */
  async round(signal: AbortSignal): Promise<void> {
    // From what was kept nothing is concluded; what this node owns is told to its peers all the same.
    if (!this.#deps.view.complete) {
      if (this.#deps.view.usable) await this.#deps.ownership.round(this.#clock, signal);
      return;
    }
    this.#looked.clear();
    await this.#look(signal);
    for (const key of this.#seen.keys()) if (!this.#looked.has(key)) this.#seen.delete(key);
  }

  async #look(signal: AbortSignal): Promise<void> {
    await this.#deps.ownership.round(this.#clock, signal);
    if (this.#deps.ownership.isRecovering()) return;
    for (const key of this.#deps.ownership.rest.over(this.#clock()))
      this.#release(key, 'a resting address is free again');
    for (const hold of this.#staleHolds()) await this.#rest(hold, signal);
    for (const { entry, reason } of this.#due()) {
      const result = await this.#deps.store.transact(
        {
          compare: [{ key: entry.key, revision: entry.revision }, ...this.#deps.ownership.standing.compare()],
          then: [{ delete: entry.key }],
        },
        { signal },
      );
      if (result.succeeded) this.#deps.log.info({ key: entry.key }, reason);
    }
    await raiseLevel(this.#deps, { signal });
    await tendLeaving(this.#deps, (key) => this.#age(key, this.#deps.view.revisionOf(key)), { signal });
    await tendShared(this.#deps, (key) => this.#age(key, this.#deps.view.revisionOf(key)), { signal });
    await tendForgotten(this.#deps, (key) => this.#age(key, this.#deps.view.revisionOf(key)), { signal });
    for (const endpoint of this.#neverJoined()) {
      await removeEndpoint(this.#deps, endpoint, 'resting', { signal });
      this.#deps.log.info({ endpoint: endpoint.id }, 'removed an endpoint that no container was ever joined to');
    }
    for (const endpoint of this.#astray()) {
      await removeEndpoint(this.#deps, endpoint, 'resting', { signal });
      this.#deps.log.info({ endpoint: endpoint.id }, 'removed an endpoint of a network that is gone');
    }
    for (const network of this.#unusedNetworks()) {
      await dropUnused(this.#deps, network, { signal });
      this.#deps.log.info({ network }, 'removed a network of an engine that lost its last user');
    }
  }

  #release(key: string, reason: string): void {
    this.#deps.ownership.records.append([{ delete: key }], 'release');
    this.#deps.log.info({ key }, reason);
  }

  /** An endpoint may have had it until its engine held it again. */
  async #rest(hold: AddressRecord, signal: AbortSignal): Promise<void> {
    await commit(this.#deps, () => decideRest(this.#deps, hold), { signal });
    this.#deps.log.info({ address: hold.address }, 'an address was held for an endpoint that never came');
  }

  /** Timed only where weft sees the endpoint come; others hold theirs until they give it back. */
  #staleHolds(): AddressRecord[] {
    const { networks } = this.#deps.view.current().state;
    return [...this.#deps.ownership.records.entries(prefixes.addresses)].flatMap(([key, value]) => {
      const record = value as AddressRecord;
      if (record.state !== 'held' || !networks.has(record.network)) return [];
      return this.#age(`held ${key} ${record.since}`, 0) >= HOLD_TIME ? [record] : [];
    });
  }

  #due(): Due[] {
    const due: Due[] = [];
    const { networks } = this.#deps.view.current().state;
    const look = (key: string, limit: number, reason: string) => {
      const entry = this.#deps.view.entry(key);
      if (!entry) return;
      if (this.#age(key, entry.revision) >= limit) due.push({ entry, reason });
    };
    for (const record of this.#deps.view.list<AddressRecord>(prefixes.addresses)) {
      if (record.state !== 'resting' || record.node !== this.#deps.node.id) continue;
      const key = keys.address(record.network, record.address);
      // Those of other drivers' networks, which no blocks stand for.
      if (!isOwn(key)) look(key, RESTING_TIME, 'a resting address is free again');
    }
    for (const pool of this.#deps.view.list<PoolRecord>(prefixes.pools(this.#deps.node.id))) {
      const key = keys.pool(pool.node, pool.id);
      if (pool.taken === null && !this.#deps.ipamOnly) look(key, HOLD_TIME, 'no network took this pool');
      else if (pool.taken !== null && !networks.has(pool.taken))
        look(key, LEAK_GRACE, 'the network of this pool is gone');
    }
    for (const key of staleClaims(this.#deps, (claim) => this.#age(claim, this.#deps.view.revisionOf(claim)))) {
      const entry = this.#deps.view.entry(key);
      if (entry) due.push({ entry, reason: 'a name or MAC was kept for an endpoint that never came' });
    }
    due.push(...expiredTrust(this.#deps));
    return due;
  }

  /**
   * An engine that did not get the answer to its CreateEndpoint gives the address back and never speaks of the endpoint
   * again; otherwise it joins in the same breath.
   */
  #neverJoined(): Endpoint[] {
    const { endpoints } = this.#deps.view.current().state;
    return [...endpoints.values()].filter(({ node, network, id, attachment }) => {
      if (node !== this.#deps.node.id || attachment.mode !== 'engine' || attachment.sandbox !== null) return false;
      const key = keys.endpoint(network, id);
      return this.#age(key, this.#deps.view.revisionOf(key)) >= HOLD_TIME;
    });
  }

  /** Their network was deleted by force while this node was away. */
  #astray(): Endpoint[] {
    const { endpoints, networks } = this.#deps.view.current().state;
    return [...endpoints.values()].filter(
      ({ node, network, id }) =>
        node === this.#deps.node.id && !networks.has(network) && this.#age(`astray ${id}`, 0) >= LEAK_GRACE,
    );
  }

  #unusedNetworks(): string[] {
    const { state } = this.#deps.view.current();
    const used = new Set([...state.bindings.values(), ...state.endpoints.values()].map((user) => user.network));
    const due: string[] = [];
    for (const network of state.networks.values()) {
      const key = keys.network(network.id);
      if (network.leaving) continue;
      if (network.origin !== 'engine' || used.has(network.id)) continue;
      if (this.#age(key, this.#deps.view.revisionOf(key)) >= LEAK_GRACE) due.push(network.id);
    }
    return due;
  }

  #age(key: string, revision: number): number {
    const now = this.#clock();
    this.#looked.add(key);
    const sighting = this.#seen.get(key);
    if (sighting?.revision === revision) return now - sighting.since;
    this.#seen.set(key, { revision, since: now });
    return 0;
  }
}

/** A look each second until the signal. */
export async function keepHouse(deps: ControlDeps, signal: AbortSignal): Promise<void> {
  const housekeeping = new Housekeeping(deps);
  while (!signal.aborted) {
    try {
      await housekeeping.round(signal);
    } catch (error) {
      deps.log.debug({ err: error }, 'housekeeping waits for the store');
    }
    await delay(PAUSE, undefined, { signal }).catch(() => undefined);
  }
}

/** Peers that did not take a hint hear it each second until the signal: a round may wait longer than that for the store. */
export async function repeatHints({ ownership }: ControlDeps, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    ownership.repeatHints();
    await delay(PAUSE, undefined, { signal }).catch(() => undefined);
  }
}
