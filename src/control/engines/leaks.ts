/**
 * What this node records for an engine and the engine no longer knows: it gave up on a detach while weftd was away, or
 * its own records were lost. Nothing is judged by one look: only what stays unknown in every whole inventory for the
 * grace period, by a monotonic clock, is a leak.
 */
import { keys } from '../../model/keys.ts';
import { LEAK_GRACE } from '../../model/limits.ts';
import type { Binding } from '../../model/objects.ts';
import { removeEndpoint } from '../endpoints.ts';
import type { ControlDeps } from '../context.ts';
import type { EngineInventory, EngineLeak } from './port.ts';
import type { CallContext } from '../port.ts';
import { endpointName, networkName } from '../references.ts';
import { unbindNetwork } from './bindings.ts';
import { endpointsByEngineIds } from './descriptions.ts';

export class EngineLeaks {
  readonly #unknownSince = new Map<string, number>();
  readonly #deps: ControlDeps;
  readonly #clock: () => number;

  constructor(deps: ControlDeps, clock: () => number = () => performance.now()) {
    this.#deps = deps;
    this.#clock = clock;
  }

  look(inventory: EngineInventory): EngineLeak[] {
    const suspects = this.#suspects(inventory);
    for (const key of this.#unknownSince.keys()) if (!suspects.has(key)) this.#unknownSince.delete(key);
    const now = this.#clock();
    const due: EngineLeak[] = [];
    for (const [key, leak] of suspects) {
      const since = this.#unknownSince.get(key) ?? now;
      this.#unknownSince.set(key, since);
      if (now - since >= LEAK_GRACE) due.push(leak);
    }
    return due;
  }

  /** By the key of the record, so that another record of the same ids starts its own time. */
  #suspects(inventory: EngineInventory): Map<string, EngineLeak> {
    const { state } = this.#deps.view.current();
    const suspects = new Map<string, EngineLeak>();
    const known = new Set(inventory.endpoints.map((ids) => `${ids.engineId}/${ids.endpointId}`));
    for (const [ids, endpoint] of endpointsByEngineIds(this.#deps)) {
      if (known.has(ids)) continue;
      const { networkId: engineId, endpointId } = endpoint.engine;
      const name = endpointName(state, endpoint);
      suspects.set(keys.endpoint(endpoint.network, endpoint.id), { kind: 'endpoint', engineId, endpointId, name });
    }
    const networks = new Set(inventory.networks);
    for (const binding of state.bindings.values()) {
      if (binding.node !== this.#deps.node.id || binding.engine !== inventory.engine) continue;
      if (networks.has(binding.engineId)) continue;
      const name = this.#networkName(binding);
      suspects.set(keys.binding(binding.network, binding.node, binding.engine, binding.engineId), {
        kind: 'binding',
        engineId: binding.engineId,
        name,
      });
    }
    return suspects;
  }

  #networkName(binding: Binding): string {
    const { state } = this.#deps.view.current();
    const network = state.networks.get(binding.network);
    return network ? networkName(state, network) : binding.network;
  }
}

export async function collectLeak(deps: ControlDeps, leak: EngineLeak, context: CallContext = {}): Promise<void> {
  if (leak.kind === 'binding') {
    await unbindNetwork(deps, leak.engineId, context);
    deps.log.info({ network: leak.name, engineId: leak.engineId }, 'collected a binding that its engine does not know');
    return;
  }
  const endpoint = endpointsByEngineIds(deps).get(`${leak.engineId}/${leak.endpointId}`);
  if (!endpoint) return;
  await removeEndpoint(deps, endpoint, 'resting', context);
  deps.log.info({ endpoint: leak.name }, 'collected an endpoint that its engine does not know');
}
