/** What became of each endpoint of this host, from the outcomes of rounds. */
import type { ClusterState } from '../model/cluster.ts';
import { linkNames } from '../model/names.ts';
import type { OperationFailure } from '../plan/kernel-port.ts';
import type { TenantPlan } from '../plan/tenant.ts';
import type { ObjectStatus } from './port.ts';

interface Round {
  tenant: string;
  node: string;
  plan: TenantPlan | undefined;
  failures: OperationFailure[];
}

export class EndpointStatuses {
  readonly #statuses = new Map<string, ObjectStatus>();
  readonly #failures = new Map<string, Error>();
  readonly #plumbed = new Set<string>();
  #started = false;

  get(id: string): ObjectStatus {
    return this.#statuses.get(id) ?? { state: 'pending' };
  }

  failure(id: string): Error | undefined {
    return this.#failures.get(id);
  }

  /** Endpoints that had a sandbox when this daemon started were plumbed by the one before it. */
  start(state: ClusterState, node: string): void {
    if (this.#started) return;
    this.#started = true;
    for (const endpoint of state.endpoints.values()) {
      const { attachment } = endpoint;
      const joined = attachment.mode === 'sandbox' || attachment.sandbox !== null;
      if (endpoint.node === node && joined) this.#plumbed.add(endpoint.id);
    }
  }

  /** Whether the container had its interface before. */
  wasPlumbed(id: string): boolean {
    return this.#plumbed.has(id);
  }

  update(state: ClusterState, round: Round): void {
    const failed = new Map(round.failures.map(({ operation, error }) => [linkOf(operation), error]));
    const planned = new Set(round.plan?.objects.flatMap((object) => (object.kind === 'port' ? [object.name] : [])));
    for (const endpoint of state.endpoints.values()) {
      if (endpoint.node !== round.node || endpoint.tenant !== round.tenant) continue;
      const port = linkNames.port(endpoint.id);
      const error = failed.get(port);
      if (error) this.#fail(endpoint.id, error);
      else if (planned.has(port)) this.#succeed(endpoint.id, state.revision);
      else this.#statuses.set(endpoint.id, { state: 'pending' });
    }
    for (const id of [...this.#statuses.keys(), ...this.#plumbed]) if (!state.endpoints.has(id)) this.#forget(id);
  }

  #fail(id: string, error: Error): void {
    // The same error again: it was not tried since.
    if (this.#failures.get(id) === error) return;
    const before = this.#statuses.get(id);
    const attempts = before?.state === 'failed' ? before.attempts + 1 : 1;
    this.#statuses.set(id, { state: 'failed', message: error.message, attempts });
    this.#failures.set(id, error);
  }

  #succeed(id: string, revision: number): void {
    this.#statuses.set(id, { state: 'ready', revision });
    this.#failures.delete(id);
    this.#plumbed.add(id);
  }

  #forget(id: string): void {
    this.#statuses.delete(id);
    this.#failures.delete(id);
    this.#plumbed.delete(id);
  }
}

function linkOf({ object }: OperationFailure['operation']): string {
  return object.kind === 'fdb' ? object.link : 'name' in object ? object.name : '';
}
