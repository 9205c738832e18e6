/**
 * The reconcile loop: desired -> plan -> observe -> diff -> apply, tenant by tenant. Wakes say where to look and never
 * what to do; a missed one costs time, never correctness. It does not die of one bad object, and when it is stopped it
 * leaves the kernel as it is.
 */
import type { Logger } from 'pino';
import type { ClusterSettings, ClusterState } from '../model/cluster.ts';
import { describeCause } from '../model/errors.ts';
import type { Condition } from '../model/status.ts';
import { diff } from '../plan/diff.ts';
import { planGuard, planTenantGuard } from '../plan/guard.ts';
import type { KernelPort, OperationFailure } from '../plan/kernel-port.ts';
import { keyOf } from '../plan/objects.ts';
import { planTenant } from '../plan/tenant.ts';
import type { TenantPlan } from '../plan/tenant.ts';
import { backoff } from './backoff.ts';
import { EndpointStatuses } from './endpoint-statuses.ts';
import type { ObjectStatus, Reconciler, WaitTarget, Wake } from './port.ts';
import { Repairs } from './repairs.ts';
import { Waiters } from './waiters.ts';
import { Wakes } from './wakes.ts';

const RESYNC = 60_000;
/** Scopes beside the tenants' ids, for failures. */
const HOST = 'host';
const NAMESPACES = 'namespaces';

export interface LoopOptions {
  source: { current(): { state: ClusterState; complete: boolean } };
  kernel: KernelPort;
  node: string;
  settings: ClusterSettings;
  log: Logger;
  clock?: () => number;
  random?: () => number;
}

interface Trouble {
  attempts: number;
  /** by the loop's clock */
  next: number;
  since: string;
  failures: { object: string; message: string }[];
}

export class ReconcileLoop implements Reconciler {
  readonly #options: LoopOptions;
  readonly #clock: () => number;
  readonly #random: () => number;
  readonly #wakes = new Wakes();
  readonly #repairs = new Repairs();
  readonly #statuses = new EndpointStatuses();
  readonly #waiters: Waiters;
  readonly #troubles = new Map<string, Trouble>();
  #applied = 0;
  #resync = 0;
  #working = true;

  constructor(options: LoopOptions) {
    this.#options = options;
    this.#clock = options.clock ?? (() => performance.now());
    this.#random = options.random ?? Math.random;
    this.#waiters = new Waiters((endpoint) => this.#statuses.failure(endpoint));
  }

  wake(wake: Wake): void {
    this.#wakes.add(wake);
  }

  waitUntil(target: WaitTarget, options: { deadline: number; signal?: AbortSignal }): Promise<void> {
    return this.#waiters.wait(target, options);
  }

  endpointStatus(id: string): ObjectStatus {
    return this.#statuses.get(id);
  }

  /** With nothing dirty, whatever the store has beyond the last round does not concern this host's kernel. */
  applied(): { revision: number } {
    const idle = !this.#working && !this.#wakes.pending && this.#troubles.size === 0;
    return { revision: idle ? this.#options.source.current().state.revision : this.#applied };
  }

  repairs(): { total: number; byKind: Record<string, number> } {
    return this.#repairs.report();
  }

  conditions(): Condition[] {
    return [...this.#troubles.values()].flatMap(({ failures, since }) =>
      failures.map(({ object, message }) => ({ type: 'not-applied', object, message, since })),
    );
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
      if (tenant) this.wake({ kind: 'tenant', tenant: tenant.id, reason: event.what });
      else this.wake({ kind: 'all', reason: event.what });
    }
  }

  async #round(): Promise<void> {
    const { state, complete } = this.#options.source.current();
    const dirty = this.#wakes.take();
    const now = this.#clock();
    // Before the first snapshot there is nothing to plan from, and an empty world must not be taken for one. The snapshot
    // and this node's registration wake the loop again.
    if (!complete || !state.nodes.has(this.#options.node)) {
      this.#resync = now + RESYNC;
      return;
    }
    this.#statuses.start(state, this.#options.node);
    const due = [...this.#troubles].filter(([, trouble]) => trouble.next <= now).map(([scope]) => scope);
    const all = dirty.all || now >= this.#resync || due.includes(NAMESPACES);
    if (all) this.#resync = now + RESYNC * (0.9 + this.#random() * 0.2);
    const retry = due.filter((scope) => state.tenants.has(scope));
    const tenants = new Set(all ? [...state.tenants.keys(), ...dirty.tenants] : [...dirty.tenants, ...retry]);
    // Who may send is settled before anybody can be reached.
    if (!(await this.#try(HOST, () => this.#guardHost(state)))) {
      this.#resync = this.#troubles.get(HOST)?.next ?? now;
      return;
    }
    for (const tenant of tenants) {
      const done = await this.#try(tenant, () => this.#reconcile(state, tenant));
      if (done) this.#waiters.reached(tenant, state.revision);
    }
    if (all) await this.#try(NAMESPACES, () => this.#removeStale(state));
    await this.#try(HOST, () => this.#unguardHost(state));
    this.#applied = state.revision;
  }

  async #guardHost(state: ClusterState): Promise<OperationFailure[]> {
    const { kernel, node, settings } = this.#options;
    if (!isPresent(state, node)) return [];
    for (const kind of await kernel.guardHost(planGuard(state, node, settings))) this.#repaired(HOST, kind);
    return [];
  }

  /** Without a network there is no overlay socket to guard, and nothing of ours should stand on the host. */
  async #unguardHost(state: ClusterState): Promise<OperationFailure[]> {
    const { kernel, node } = this.#options;
    if (!isPresent(state, node) && (await kernel.namespaces()).length === 0) await kernel.unguardHost();
    return [];
  }

  async #reconcile(state: ClusterState, tenant: string): Promise<OperationFailure[]> {
    const { node, settings } = this.#options;
    const plan = planTenant(state, { node, settings, tenant });
    const failures = plan ? await this.#bringTo(plan) : await this.#takeDown(state, tenant);
    this.#statuses.update(state, { tenant, node, plan, failures });
    return failures;
  }

  async #bringTo(plan: TenantPlan): Promise<OperationFailure[]> {
    const { kernel, settings } = this.#options;
    const { namespace } = plan;
    if (await kernel.ensureNamespace(namespace)) {
      if (this.#repairs.knows(namespace)) this.#repaired(namespace, 'namespace');
    }
    for (const kind of await kernel.guardTenant(namespace, planTenantGuard(settings))) this.#repaired(namespace, kind);
    const operations = diff(plan.objects, await kernel.observe(namespace));
    const repairs = new Set(this.#repairs.find(namespace, operations));
    const failures = await kernel.apply(namespace, operations, (endpoint) => this.#statuses.wasPlumbed(endpoint));
    const failed = new Set(failures.map(({ operation }) => operation));
    for (const operation of repairs) if (!failed.has(operation)) this.#repaired(namespace, operation.object.kind);
    this.#repairs.remember(
      namespace,
      plan.objects.filter((object) => ![...failed].some((operation) => keyOf(operation.object) === keyOf(object))),
    );
    if (operations.length > 0) {
      this.#options.log.debug({ namespace, operations: operations.length, failures: failures.length }, 'applied');
    }
    return failures;
  }

  async #takeDown(state: ClusterState, tenant: string): Promise<OperationFailure[]> {
    const name = state.tenants.get(tenant)?.name;
    if (name !== undefined) await this.#removeNamespace(name);
    return [];
  }

  /** Namespaces of tenants that are gone; the folder is ours, so every file in it is. */
  async #removeStale(state: ClusterState): Promise<OperationFailure[]> {
    const known = new Set([...state.tenants.values()].map(({ name }) => name));
    for (const name of await this.#options.kernel.namespaces()) {
      if (!known.has(name)) await this.#removeNamespace(name);
    }
    return [];
  }

  /** Links first: those with an end elsewhere would outlive the file for as long as anybody holds it open. */
  async #removeNamespace(name: string): Promise<void> {
    const { kernel, log } = this.#options;
    if (!(await kernel.namespaces()).includes(name)) return;
    try {
      const observed = await kernel.observe(name);
      await kernel.apply(name, diff([], observed), () => false);
    } catch (error) {
      log.debug({ err: error, namespace: name }, 'a namespace could not be emptied before its removal');
    }
    await kernel.removeNamespace(name);
    this.#repairs.forget(name);
    log.info({ namespace: name }, 'removed the namespace of a tenant that is not present any more');
  }

  /** False when nothing could be done at all; the next try comes after a pause that grows. */
  async #try(scope: string, work: () => Promise<OperationFailure[]>): Promise<boolean> {
    let failures: { object: string; message: string }[];
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
      this.#troubles.delete(scope);
      return true;
    }
    const before = this.#troubles.get(scope);
    const attempts = (before?.attempts ?? 0) + 1;
    const since = before?.since ?? new Date().toISOString();
    this.#troubles.set(scope, { attempts, since, failures, next: this.#clock() + backoff(attempts, this.#random) });
    this.#options.log.warn({ scope, attempts, failures: failures.slice(0, 5) }, 'not all could be applied');
    return whole;
  }

  #repaired(where: string, kind: string): void {
    this.#repairs.count(kind);
    this.#options.log.warn({ where, kind }, 'repaired what was changed behind weft');
  }

  #untilNext(): number {
    const next = Math.min(this.#resync, ...[...this.#troubles.values()].map((trouble) => trouble.next));
    return Math.max(0, next - this.#clock());
  }
}

/** Something of this host's is on a network of ours. */
function isPresent(state: ClusterState, node: string): boolean {
  return [...state.endpoints.values(), ...state.bindings.values()].some((one) => one.node === node);
}

function isOver(signal: AbortSignal): boolean {
  return signal.aborted;
}
