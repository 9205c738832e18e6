/** What an engine tells of its containers after the attach: kept beside the endpoints, in records of their own. */
import { isDeepStrictEqual } from 'node:util';
import { keys } from '../../model/keys.ts';
import type { Endpoint, EndpointDescription } from '../../model/objects.ts';
import { commit } from '../commit.ts';
import type { Decision } from '../commit.ts';
import type { ControlDeps } from '../context.ts';
import type { ContainerSighting } from './port.ts';
import { ownEndpoints } from './endpoints.ts';
import type { CallContext } from '../port.ts';

/** in one entry of the journal */
const BATCH = 50;
/** Labels are the container's own: as many and as long as a record should carry; longer ones are left out whole. */
const MAX_LABELS = 64;
const MAX_KEY = 128;
const MAX_VALUE = 512;

export async function describeEndpoints(
  deps: ControlDeps,
  sightings: ContainerSighting[],
  context?: CallContext,
): Promise<void> {
  for (;;) {
    const { result: left } = await commit(deps, () => decideDescriptions(deps, sightings), context);
    if (left === 0) return;
  }
}

/** `result`: how many are left for another transaction. */
function decideDescriptions(deps: ControlDeps, sightings: ContainerSighting[]): Decision<number> {
  const mine = endpointsByEngineIds(deps);
  const changed: EndpointDescription[] = [];
  for (const { container, labels, endpoints } of sightings) {
    const kept = boundedLabels(labels);
    for (const ids of endpoints) {
      const endpoint = mine.get(`${ids.engineId}/${ids.endpointId}`);
      if (!endpoint) continue;
      const before = deps.view.value<EndpointDescription>(keys.description(endpoint.id));
      const description = {
        ...before,
        endpoint: endpoint.id,
        network: endpoint.network,
        node: endpoint.node,
        container,
        labels: kept,
      };
      if (!isDeepStrictEqual(before, description)) changed.push(description);
    }
  }
  const now = changed.slice(0, BATCH);
  return {
    compare: [],
    then: now.map((description) => ({ put: keys.description(description.endpoint), value: description })),
    result: changed.length - now.length,
  };
}

export function endpointsByEngineIds(deps: ControlDeps): Map<string, Endpoint> {
  const mine = [...ownEndpoints(deps)].filter(({ engine }) => engine.type === 'docker');
  return new Map(mine.map((endpoint) => [`${endpoint.engine.networkId}/${endpoint.engine.endpointId}`, endpoint]));
}

function boundedLabels(labels: Record<string, string>): Record<string, string> {
  const kept = Object.entries(labels).filter(([key, value]) => key.length <= MAX_KEY && value.length <= MAX_VALUE);
  return Object.fromEntries(kept.sort(([a], [b]) => (a < b ? -1 : 1)).slice(0, MAX_LABELS));
}
