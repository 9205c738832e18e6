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

/** between looks, in milliseconds */
const TICK = 1_000;
/** A lease that ends later by as much was renewed, and the addresses' lifetimes, which end with it, are to be as well. */
const RENEWED = 1_000;

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
  /** the end of the lease for which the loop was last woken */
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
    for await (const state of this.#deps.view.follow(signal, TICK)) await this.#round(state, signal);
  }

  async #round(state: ClusterState, signal: AbortSignal): Promise<void> {
    const { view, mayLead } = this.#deps;
    if (!view.complete || !mayLead()) return;
    const own = [...state.egressHolders.values()].filter((one) => this.#isOwn(one));
    const wanted = [...state.egress.keys()].filter((tenant) => this.#shouldLead(state, tenant));
    // First of all: what follows may wait, and the addresses have a few seconds.
    if (wanted.length > 0) this.#keepAddresses();
    const over = own.filter(({ tenant }) => !wanted.includes(tenant));
    await Promise.all(over.map((holder) => this.#attempt(() => this.#stepDown(state, holder, signal), signal)));
    for (const tenant of wanted) {
      const holder = state.egressHolders.get(tenant);
      if (!holder || (this.#isOwn(holder) && holder.session !== this.#lease?.id)) {
        await this.#attempt(() => this.#claim(tenant, holder, signal), signal);
      }
    }
  }

  /** One tenant's trouble is not the others'; the next round tries it again. */
  async #attempt(work: () => Promise<void>, signal: AbortSignal): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!signal.aborted) this.#deps.log.debug({ err: error }, 'the lead of a tenant’s pinned egress waits');
    }
  }

  #keepAddresses(): void {
    const end = this.#deps.clock() + this.left();
    if (end - this.#kept < RENEWED) return;
    this.#kept = end;
    this.#deps.reconciler.wake({ kind: 'host', reason: 'pinned addresses are kept' });
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
