/** A node's engine against what the node has recorded for it, both ways. Pure. */
import type { Finding } from '../model/finding.ts';
import { endpointName, networkName } from './names.ts';
import type { EnginePicture, NodePicture } from './pictures.ts';

export function auditEngine({ node, state, engine }: NodePicture): Finding[] {
  if (!engine) return [];
  const bindings = [...state.bindings.values()].filter(
    (binding) => binding.node === node.id && binding.engine === engine.engine,
  );
  const endpoints = [...state.endpoints.values()].filter(
    (endpoint) => endpoint.node === node.id && endpoint.engine.type === engine.engine,
  );
  const bound = new Set(bindings.map(({ engineId }) => engineId));
  const known = new Set(endpoints.map(({ engine: { networkId, endpointId } }) => `${networkId}/${endpointId}`));
  const networks = new Map(engine.networks.map(({ engineId, name }) => [engineId, name]));
  const running = new Set(engine.endpoints.map(({ engineId, endpointId }) => `${engineId}/${endpointId}`));
  return [
    ...bindings
      .filter(({ engineId }) => !networks.has(engineId))
      .map(({ network, engineId }) => ({
        code: 'binding-unknown-to-engine',
        node: node.name,
        object: networkName(state, network),
        evidence: `bound to the ${engine.engine} network ${short(engineId)}, which the engine does not have`,
        command: 'systemctl restart weftd',
      })),
    ...endpoints
      .filter(({ engine: { networkId, endpointId } }) => !running.has(`${networkId}/${endpointId}`))
      .map((endpoint) => ({
        code: 'endpoint-unknown-to-engine',
        node: node.name,
        object: endpointName(state, endpoint),
        evidence: `no running container has the endpoint ${short(endpoint.engine.endpointId)}`,
        command: 'systemctl restart weftd',
      })),
    ...engine.networks
      .filter(({ engineId }) => !bound.has(engineId))
      .map(({ engineId, name }) => ({
        code: 'engine-network-unknown',
        node: node.name,
        object: name,
        evidence: `the ${engine.engine} network ${short(engineId)} uses weft's driver, and no network is bound to it`,
        command: `docker network rm ${short(engineId)}`,
      })),
    ...unknownContainers(engine, networks, known).map(({ container, name, endpointId }) => ({
      code: 'engine-endpoint-unknown',
      node: node.name,
      object: container,
      evidence: `it is on ${name} by endpoint ${short(endpointId)}, of which weft has no record`,
      command: `docker restart ${container}`,
    })),
  ];
}

function unknownContainers(
  { endpoints }: EnginePicture,
  networks: ReadonlyMap<string, string>,
  known: ReadonlySet<string>,
): { container: string; name: string; endpointId: string }[] {
  return endpoints.flatMap(({ engineId, endpointId, container }) => {
    const name = networks.get(engineId);
    return name === undefined || known.has(`${engineId}/${endpointId}`) ? [] : [{ container, name, endpointId }];
  });
}

function short(id: string): string {
  return id.slice(0, 12);
}
