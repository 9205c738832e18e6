/**
 * The reconcile loop: desired -> plan -> observe -> diff -> apply, tenant by tenant. Wakes say where to look and never
 * what to do; a missed one costs time, never correctness. It does not die of one bad object, and when it is stopped it
 * leaves the kernel as it is.
 */
import type { Logger } from 'pino';
import type { ClusterState } from '../model/cluster.ts';
import { describeCause, WeftError } from '../model/errors.ts';
import { linkNames } from '../model/names.ts';
import type { Condition } from '../model/status.ts';
import type { Timings } from '../model/timings.ts';
import { diff } from '../plan/diff.ts';
import { planGuard, planTenantGuard } from '../plan/guard.ts';
import type { KernelPicture } from '../plan/kernel-picture.ts';
import { UPLINK_CHANGED } from '../plan/kernel-port.ts';
import type { OperationFailure, PortDrops } from '../plan/kernel-port.ts';
import { keyOf } from '../plan/objects.ts';
import { planPortGuard } from '../plan/port-guard/plan.ts';
import { planTenant } from '../plan/tenant.ts';
import type { TenantPlan } from '../plan/tenant.ts';
import { socketsOf } from '../plan/ports/forwards.ts';
import { routingOf } from '../plan/routing/picture.ts';
import { isPresent } from '../plan/routing/presence.ts';
import { familiesOut } from '../plan/routing/uplinks.ts';
import { ContainerRoutes } from './container-routes.ts';
import { DropReports } from './drops.ts';
import { EndpointStatuses } from './endpoint-statuses.ts';
import { HostConditions, hostFindings, portFindings } from './host-conditions.ts';
import { holdPorts } from './hold.ts';
import { lookAtKernel } from './kernel-look.ts';
import { Namespaces } from './namespaces.ts';
import { PinnedEgress } from './pinned-egress.ts';
import type { PinnedEgressOptions } from './pinned-egress.ts';
import type { Hold, ObjectStatus, Reconciler, WaitTarget, Wake } from './port.ts';
import { Repairs } from './repairs.ts';
import { Retries } from './retries.ts';
import { RoundTimes } from './round-times.ts';
import { sparing } from './sparing.ts';
import { Troubles } from './troubles.ts';
import type { Failure } from './troubles.ts';
import { Waiters } from './waiters.ts';
import { Wakes } from './wakes.ts';

const RESYNC = 60_000;
/** Kernel events come in bursts, those of our own doing among them: one look for all. */
const EVENT_PAUSE = 20;
/** Scopes beside the tenants' ids, for failures. */
const HOST = 'host';
const NAMESPACES = 'namespaces';
const FORWARD = 'forward';
const RESERVED = 'reserved-ports';
const HELD = 'held';
const PINNED = 'pinned';

export interface LoopOptions extends PinnedEgressOptions {
  /** `partial`: what was kept of an earlier picture. All that it has is built; nothing goes for what it lacks. */
  source: { current(): { state: ClusterState; complete: boolean; partial?: boolean; hold?: Hold } };
  log: Logger;
  timings?: Timings;
  clock?: () => number;
  random?: () => number;
}

export class ReconcileLoop implements Reconciler {
  readonly #options: LoopOptions;
  readonly #clock: () => number;
  readonly #random: () => number;
  readonly #wakes: Wakes;
  readonly #repairs = new Repairs();
  readonly #statuses = new EndpointStatuses();
  readonly #drops: DropReports;
  readonly #retries: Retries;
  readonly #waiters: Waiters;
  readonly #troubles: Troubles;
  readonly #host = new HostConditions();
  readonly #ports = new HostConditions();
  readonly #containers: ContainerRoutes;
  readonly #pinned: PinnedEgress;
  readonly #namespaces: Namespaces;
  #applied = { revision: 0, sequence: 0 };
  #resync = 0;
  #working = true;
  /** the round under way plans from what was kept */
  #partial = false;

  constructor(options: LoopOptions) {
    this.#options = options;
    this.#clock = options.clock ?? (() => performance.now());
    this.#random = options.random ?? Math.random;
    this.#wakes = new Wakes(this.#clock);
    this.#drops = new DropReports(options.kernel, options.log);
    this.#retries = new Retries(this.#random);
    this.#troubles = new Troubles(this.#clock, this.#random);
    this.#pinned = new PinnedEgress(options);
    this.#containers = new ContainerRoutes(options.kernel, options.log);
    const gone = (namespace: string) => {
      this.#repairs.forget(namespace);
      this.#drops.forget(namespace);
    };
    this.#namespaces = new Namespaces({ ...options, gone });
    this.#waiters = new Waiters({
      ofEndpoint: (id) => this.#statuses.failure(id) ?? this.#heldBack(id),
      ofTenant: (id) => this.#troubles.first(HOST) ?? this.#troubles.first(id),
    });
  }

  wake(wake: Wake): void {
    this.#wakes.add(wake);
  }

  waitUntil(target: WaitTarget, options: { deadline: number; signal?: AbortSignal }): Promise<void> {
    return this.#waiters.wait(target, options);
  }

  endpointStatus(id: string): ObjectStatus {
    if (this.#options.source.current().hold === 'down') return { state: 'fenced' };
    return this.#statuses.get(id);
  }

  async drops(id: string): Promise<PortDrops> {
    const { source, kernel, node } = this.#options;
    const { state } = source.current();
    const endpoint = state.endpoints.get(id);
    const namespace = endpoint && state.tenants.get(endpoint.tenant)?.name;
    if (endpoint?.node !== node || namespace === undefined) return {};
    if (!(await kernel.namespaces()).includes(namespace)) return {};
    return (await kernel.drops(namespace)).get(linkNames.port(id)) ?? {};
  }

  async look(): Promise<KernelPicture | undefined> {
    const { source, kernel, node, settings } = this.#options;
    const { state, complete } = source.current();
    return complete && state.nodes.has(node) ? await lookAtKernel(kernel, state, { node, settings }) : undefined;
  }

  /** With nothing dirty, whatever the store has beyond the last round does not concern this host's kernel. */
  applied(): { revision: number; sequence: number } {
    const idle = !this.#working && !this.#wakes.pending && !this.#troubles.any;
    if (!idle) return this.#applied;
    const { state, partial = false } = this.#options.source.current();
    return { revision: partial ? 0 : state.revision, sequence: state.sequence };
  }

  repairs(): { total: number; byKind: Record<string, number> } {
    return this.#repairs.report();
  }

  conditions(): Condition[] {
    return [...this.#troubles.conditions(), ...this.#host.list(), ...this.#ports.list()];
  }

  async run(signal: AbortSignal): Promise<void> {
    const listening = this.#listen(signal);
    this.wake({ kind: 'all', reason: 'start' });
    while (!signal.aborted) {
      await this.#wakes.next(this.#untilNext(), signal);
      if (isOver(signal)) break;
      this.#working = true;
      await this.#round();
      this.#working = false;
    }
    await listening;
  }

  async #listen(signal: AbortSignal): Promise<void> {
    for await (const event of this.#options.kernel.events(signal)) {
      const { state } = this.#options.source.current();
      const tenant = [...state.tenants.values()].find(({ name }) => name === event.namespace);
      const reason = event.what;
      if (tenant) this.#wakes.add({ kind: 'tenant', tenant: tenant.id, reason }, EVENT_PAUSE);
      else {
        const host = event.namespace === null && reason !== UPLINK_CHANGED;
        this.#wakes.add({ kind: host ? 'host' : 'all', reason }, EVENT_PAUSE);
      }
    }
  }

  async #round(): Promise<void> {
    const { state, complete, partial = false, hold = 'none' } = this.#options.source.current();
    this.#partial = partial;
    const dirty = this.#wakes.take();
    const now = this.#clock();
    const times = new RoundTimes(this.#clock, dirty.since);
    if (hold !== 'none') return this.#holdAll(hold);
    this.#troubles.clear(HELD);
    // Before the first snapshot there is nothing to plan from, and an empty world must not be taken for one. The snapshot
    // and this node's registration wake the loop again.
    if (!(complete || partial) || !state.nodes.has(this.#options.node)) {
      this.#resync = now + RESYNC;
      this.#troubles.postpone(this.#resync);
      return;
    }
    this.#statuses.start(state, this.#options.node);
    this.#forgetTenants(state);
    const due = this.#troubles.due(now);
    const all = dirty.all || now >= this.#resync || due.includes(NAMESPACES);
    if (all) this.#resync = now + RESYNC * (0.9 + this.#random() * 0.2);
    const retry = due.filter((scope) => state.tenants.has(scope));
    const tenants = new Set(all ? [...state.tenants.keys(), ...dirty.tenants] : [...dirty.tenants, ...retry]);
    // Who may send is settled before anybody can be reached.
    if (!(await this.#try(HOST, () => this.#guardHost(state)))) {
      this.#resync = this.#troubles.nextOf(HOST);
      return;
    }
    await this.#try(FORWARD, () => this.#passForeign(state));
    await this.#try(RESERVED, () => this.#reservePorts(state));
    await this.#try(PINNED, () => this.#holdAddresses(state, true));
    times.lap('host');
    for (const tenant of tenants) {
      const done = await this.#try(tenant, () => this.#reconcile(state, tenant, times));
      if (done) this.#reached(tenant, state);
    }
    times.tell(this.#options.timings);
    await this.#containers.settle();
    if (all && !partial) await this.#try(NAMESPACES, () => this.#namespaces.removeStale(state));
    if (all) await this.#reportDrops(state);
    if (!partial) await this.#try(HOST, () => this.#unguardHost(state));
    // Others give addresses again by this word: what is not taken away cannot have been applied.
    this.#applied = { revision: partial ? 0 : state.revision, sequence: state.sequence };
  }

  /** Callers that wait for a detach have not to; endpoints that were not built before are not built now. */
  async #holdAll(hold: Exclude<Hold, 'none'>): Promise<void> {
    const { source, kernel, node } = this.#options;
    const { state, complete } = source.current();
    const mine = [...state.endpoints.values()].filter((endpoint) => endpoint.node === node);
    const attached = complete ? new Set(mine.map(({ id }) => linkNames.port(id))) : undefined;
    this.#resync = this.#clock() + RESYNC;
    this.#troubles.postpone(this.#resync);
    await this.#try(HELD, () => holdPorts(kernel, { hold, attached }));
    await this.#try(PINNED, () => this.#holdAddresses(state, false));
    // What the loop changes once it may build again is no repair.
    for (const namespace of await kernel.namespaces()) this.#repairs.forget(namespace);
    for (const tenant of state.tenants.keys()) this.#reached(tenant, state);
  }

  /** Who waits gives the lead of the tenant's egress to others then: not while its addresses may be here. */
  #reached(tenant: string, state: ClusterState): void {
    if (!this.#pinned.lingers(tenant)) this.#waiters.reached(tenant, state);
  }

  /** A tenant that is gone has no failures; its namespace goes as a stale one. */
  #forgetTenants(state: ClusterState): void {
    this.#pinned.forgetTenants(state);
    for (const scope of this.#troubles.scopes()) {
      if ([HOST, NAMESPACES, FORWARD, RESERVED, HELD, PINNED].includes(scope) || state.tenants.has(scope)) continue;
      this.#troubles.clear(scope);
      this.#retries.forget(scope);
    }
  }

  async #guardHost(state: ClusterState): Promise<OperationFailure[]> {
    const { kernel, node, settings } = this.#options;
    if (!isPresent(state, node)) return [];
    for (const kind of await kernel.guardHost(planGuard(state, node, settings))) this.#repaired(HOST, kind);
    return [];
  }

  /** After the guard, which judges what these rules let through. */
  async #passForeign(state: ClusterState): Promise<OperationFailure[]> {
    const { kernel } = this.#options;
    const { uplinks } = routingOf(state, this.#options);
    const foreign = await kernel.passForeign(uplinks.size > 0);
    for (const kind of foreign.repaired) this.#repaired(HOST, kind);
    this.#host.set(hostFindings(familiesOut(uplinks.values()), await kernel.forwarding(), foreign));
    return [];
  }

  async #reservePorts(state: ClusterState): Promise<OperationFailure[]> {
    const { forwards } = routingOf(state, this.#options);
    this.#ports.set(portFindings(await this.#options.kernel.reservePorts(socketsOf(forwards))));
    return [];
  }

  async #holdAddresses(state: ClusterState, mayLead: boolean): Promise<OperationFailure[]> {
    for (const address of await this.#pinned.hold(state, mayLead)) this.#repaired(address, 'pinned-address');
    return [];
  }

  /** Without a network there is no overlay socket to guard, and nothing of ours should stand on the host. */
  async #unguardHost(state: ClusterState): Promise<OperationFailure[]> {
    const { kernel, node } = this.#options;
    if (!isPresent(state, node) && (await kernel.namespaces()).length === 0) await kernel.unguardHost();
    return [];
  }

  async #reconcile(state: ClusterState, tenant: string, times: RoundTimes): Promise<OperationFailure[]> {
    const { node, settings } = this.#options;
    const plan = planTenant(state, { node, settings, tenant });
    this.#containers.want(tenant, plan?.objects ?? []);
    times.lap('plan');
    const failures = plan ? await this.#bringTo(state, plan, { tenant, times }) : await this.#takeDown(state, tenant);
    this.#statuses.update(state, { tenant, node, plan, failures });
    return failures;
  }

  async #bringTo(
    state: ClusterState,
    plan: TenantPlan,
    { tenant, times }: { tenant: string; times: RoundTimes },
  ): Promise<OperationFailure[]> {
    const { kernel, node, settings } = this.#options;
    const { namespace } = plan;
    if (await kernel.ensureNamespace(namespace)) {
      if (this.#repairs.knows(namespace)) this.#repaired(namespace, 'namespace');
    }
    const guard = planTenantGuard(state, tenant, { node, settings });
    for (const kind of await kernel.guardTenant(namespace, guard)) this.#repaired(namespace, kind);
    const ports = planPortGuard(state, { tenant, node });
    for (const kind of await kernel.guardPorts(namespace, ports)) this.#repaired(namespace, kind);
    times.lap('guard');
    const differing = diff(plan.objects, await kernel.observe(namespace));
    const operations = this.#partial ? sparing(state, node, differing) : differing;
    const repairs = this.#repairs.find(namespace, operations);
    const round = this.#retries.split(tenant, operations, this.#clock());
    times.lap('observe');
    const tried = await kernel.apply(namespace, round.due, (endpoint) => this.#statuses.wasPlumbed(endpoint));
    times.lap('apply');
    this.#retries.record(tenant, round, { failures: tried, now: this.#clock() });
    const failures = [...round.held, ...tried];
    const failed = new Set(failures.map(({ operation }) => keyOf(operation.object)));
    for (const { object } of repairs) if (!failed.has(keyOf(object))) this.#repaired(namespace, object.kind);
    await this.#pinned.settle(state, tenant);
    const standing = plan.objects.filter((object) => !failed.has(keyOf(object)));
    this.#repairs.remember(namespace, standing);
    if (round.due.length > 0) {
      times.changed();
      this.#options.log.debug({ namespace, operations: round.due.length, failures: tried.length }, 'applied');
    }
    return failures;
  }

  async #takeDown(state: ClusterState, tenant: string): Promise<OperationFailure[]> {
    const name = state.tenants.get(tenant)?.name;
    if (name !== undefined && this.#partial) return this.#takeOut(state, name);
    if (name !== undefined) await this.#namespaces.remove(name);
    this.#retries.forget(tenant);
    return [];
  }

  /** Ports of endpoints that ended; whatever else may be needed yet. */
  async #takeOut(state: ClusterState, name: string): Promise<OperationFailure[]> {
    const { kernel, node } = this.#options;
    if (!(await kernel.namespaces()).includes(name)) return [];
    return kernel.apply(name, sparing(state, node, diff([], await kernel.observe(name))), () => false);
  }

  async #reportDrops(state: ClusterState): Promise<void> {
    const local = [...state.endpoints.values()].filter(({ node }) => node === this.#options.node);
    await this.#drops.lookAround(new Map(local.map(({ id }) => [linkNames.port(id), id])), this.#clock());
  }

  /** False when nothing could be done at all; the next try comes after a pause that grows. */
  async #try(scope: string, work: () => Promise<OperationFailure[]>): Promise<boolean> {
    const before = this.#troubles.attempts(scope);
    let failures: Failure[];
    let whole = true;
    try {
      failures = (await work()).map(({ operation, error }) => ({
        object: keyOf(operation.object),
        message: error.message,
      }));
    } catch (error) {
      whole = false;
      failures = [{ object: scope, message: describeCause(error) }];
    }
    if (failures.length === 0) {
      this.#troubles.clear(scope);
      return true;
    }
    const attempts = this.#troubles.note(scope, failures, whole ? this.#retries.next(scope) : undefined);
    if (attempts > before) {
      this.#options.log.warn({ scope, attempts, failures: failures.slice(0, 5) }, 'not all could be applied');
    }
    return whole;
  }

  #heldBack(endpoint: string): WeftError | undefined {
    const { hold = 'none' } = this.#options.source.current();
    if (hold === 'none') return undefined;
    return new WeftError('node-fenced', `endpoint ${endpoint} is not built: this host builds nothing`, {
      object: endpoint,
    });
  }

  #repaired(where: string, kind: string): void {
    this.#repairs.count(kind);
    this.#options.log.warn({ where, kind }, 'repaired what was changed behind weft');
  }

  #untilNext(): number {
    return Math.max(0, Math.min(this.#resync, this.#troubles.next()) - this.#clock());
  }
}

function isOver(signal: AbortSignal): boolean {
  return signal.aborted;
}
