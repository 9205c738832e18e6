/**
 * Who leads the packets of tenants whose egress is pinned. The first node of the list that lives should; it does once it has
 * the tenant's record, which is on a lease: there is never a second one, and it goes with a node that etcd hears nothing of.
 * A node that should not lead any more first takes the address away, then gives the record back. What another process of this
 * node claimed counts only when it is claimed anew, by the lease that this one renews.
 */
import type { Logger } from 'pino';
import { keys } from '../model/keys.ts';
import { HANDLER_DEADLINE, NODE_LEASE_SECONDS } from '../model/limits.ts';
import type { ClusterState } from '../model/cluster.ts';
import type { EgressHolder, EgressPin } from '../model/objects.ts';
import { chosenLeader } from '../plan/routing/pinned.ts';
import type { Reconciler } from '../reconcile/port.ts';
import type { Lease, Store } from '../store/port.ts';
import type { ClusterView } from './cluster-view.ts';

/** in milliseconds: between looks, and between renewals of the addresses' lifetimes, which end with the lease */
const TICK = 1_000;

export interface EgressLeadDeps {
  store: Store;
  view: ClusterView;
  reconciler: Pick<Reconciler, 'wake' | 'waitUntil'>;
  node: { id: string };
  /** false: what this node says counts for nothing now */
  mayLead: () => boolean;
  now: () => Date;
  /** milliseconds */
  clock: () => number;
  log: Logger;
}

export class EgressLead {
  readonly #deps: EgressLeadDeps;
  #lease: Lease | undefined;
  /** when the loop was last woken for the addresses' lifetimes */
  #kept = -Infinity;

  constructor(deps: EgressLeadDeps) {
    this.#deps = deps;
  }

  /** Milliseconds for which this node leads what it leads, if nothing more is heard of the store. */
  left(): number {
    return this.#lease?.left() ?? 0;
  }

  /** The picture without what this node claimed and may not act upon: by another lease, or when it should step down. */
  seen<T extends ClusterState>(state: T): T {
    const doubtful = [...state.egressHolders.values()].filter((one) => this.#isOwn(one) && !this.#leads(state, one));
    if (doubtful.length === 0) return state;
    const egressHolders = new Map(state.egressHolders);
    for (const { tenant } of doubtful) egressHolders.delete(tenant);
    return { ...state, egressHolders };
  }

  /** Until the signal; a stop gives nothing back, so that a restart within the lease changes nothing. */
  async run(signal: AbortSignal): Promise<void> {
    for await (const state of this.#deps.view.follow(signal, TICK)) {
      try {
        await this.#round(state, signal);
      } catch (error) {
        if (!signal.aborted) this.#deps.log.debug({ err: error }, 'the lead of pinned egress waits for the store');
      }
    }
  }

  async #round(state: ClusterState, signal: AbortSignal): Promise<void> {
    const { view, reconciler, mayLead, clock } = this.#deps;
    if (!view.complete || !mayLead()) return;
    const own = [...state.egressHolders.values()].filter((one) => this.#isOwn(one));
    for (const holder of own) if (!this.#shouldLead(state, holder.tenant)) await this.#stepDown(state, holder, signal);
    const wanted = [...state.egress.keys()].filter((tenant) => this.#shouldLead(state, tenant));
    for (const tenant of wanted) {
      const holder = state.egressHolders.get(tenant);
      if (!holder || (this.#isOwn(holder) && holder.session !== this.#lease?.id)) {
        await this.#claim(tenant, holder, signal);
      }
    }
    if (wanted.length > 0 && clock() - this.#kept >= TICK) {
      this.#kept = clock();
      reconciler.wake({ kind: 'host', reason: 'pinned addresses are kept' });
    }
  }

  async #claim(tenant: string, before: EgressHolder | undefined, signal: AbortSignal): Promise<void> {
    const { store, view, node, now, log } = this.#deps;
    const lease = await this.#held(signal);
    const key = keys.egressHolder(tenant);
    const since = before?.since ?? now().toISOString();
    const holder: EgressHolder = { tenant, node: node.id, session: lease.id, since };
    const compare = [key, keys.egress(tenant)].map((one) => ({ key: one, revision: view.revisionOf(one) }));
    const { succeeded } = await store.transact(
      { compare, then: [{ put: key, value: holder, lease }] },
      { deadline: HANDLER_DEADLINE, signal },
    );
    if (succeeded) log.info({ tenant }, 'this node leads the packets of the tenant out');
  }

  /** Only once the kernel has let go: until then nobody else may. */
  async #stepDown(state: ClusterState, { tenant }: EgressHolder, signal: AbortSignal): Promise<void> {
    const { store, view, reconciler, log } = this.#deps;
    reconciler.wake({ kind: 'tenant', tenant, reason: 'another node leads' });
    const { revision } = state;
    if (state.tenants.has(tenant))
      await reconciler.waitUntil({ revision, tenant }, { deadline: HANDLER_DEADLINE, signal });
    const key = keys.egressHolder(tenant);
    const compare = [{ key, revision: view.revisionOf(key) }];
    await store.transact({ compare, then: [{ delete: key }] }, { deadline: HANDLER_DEADLINE, signal });
    log.info({ tenant }, 'this node does not lead the packets of the tenant any more');
  }

  async #held(signal: AbortSignal): Promise<Lease> {
    if (this.#lease?.held()) return this.#lease;
    const { store, reconciler } = this.#deps;
    const lease = await store.lease(NODE_LEASE_SECONDS, { deadline: HANDLER_DEADLINE, signal });
    const lost = () => reconciler.wake({ kind: 'all', reason: 'this node leads nothing any more' });
    lease.lost.addEventListener('abort', lost, { once: true });
    this.#lease = lease;
    return lease;
  }

  #leads(state: ClusterState, { tenant, session }: EgressHolder): boolean {
    const current = this.#lease?.id === session && this.#lease.held();
    return current && this.#deps.mayLead() && this.#shouldLead(state, tenant);
  }

  #shouldLead(state: ClusterState, tenant: string): boolean {
    const pin = pinOf(state, tenant);
    return pin !== undefined && chosenLeader(state, pin) === this.#deps.node.id;
  }

  #isOwn({ node }: EgressHolder): boolean {
    return node === this.#deps.node.id;
  }
}

function pinOf(state: ClusterState, tenant: string): EgressPin | undefined {
  const egress = state.egress.get(tenant);
  return egress && !egress.off && state.tenants.has(tenant) ? egress.pin : undefined;
}
