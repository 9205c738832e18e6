/** The use cases bound together behind the port that the API and the engines see. */
import { toWeftError } from '../model/errors.ts';
import type { ClusterState } from '../model/cluster.ts';
import { parseInterfaceAddress } from '../model/address/cidr.ts';
import type { Endpoint, Network } from '../model/objects.ts';
import { linksFor, routesFor } from '../model/routes.ts';
import type { ControlDeps } from './context.ts';
import { attach, detach } from './endpoints.ts';
import { bindNetwork, releasePool, unbindNetwork } from './engines/bindings.ts';
import { describeEndpoints } from './engines/descriptions.ts';
import {
  createEndpoint,
  deleteEndpoint,
  findEngineEndpoint,
  joinEndpoint,
  knownEndpoint,
} from './engines/endpoints.ts';
import { EngineLeaks, collectLeak } from './engines/leaks.ts';
import { adoptNetwork, engineView, offerAgain } from './engines/in-step.ts';
import { claimNetwork, followEngineNetworks, reportEngine } from './engines/step.ts';
import { releaseAddress, requestAddress } from './engines/pool-addresses.ts';
import { requestPool } from './engines/pools.ts';
import { examinationControl } from './examination/examine.ts';
import { peerControl } from './peer-service.ts';
import { forgottenConditions } from './forgotten.ts';
import { resumeStore } from './resume.ts';
import { clusterLevel, UpgradeCondition } from './level.ts';
import { membershipControl } from './membership-service.ts';
import { listEndpoints, listEngines, listNetworks, listNodes, listTenants, resolveFilter } from './lists.ts';
import { deleteNetwork } from './network-removal.ts';
import { extendNetwork } from './network-growth.ts';
import { createNetwork } from './networks.ts';
import { PoolConditions } from './pool-conditions.ts';
import type { EngineControl, EngineFollowing, EngineJoin } from './engines/port.ts';
import type { Control, ListFilter } from './port.ts';
import { publishPorts, unpublishPorts } from './ports/publish.ts';
import { portsControl } from './ports/service.ts';
import { findEndpoint, findNetwork, findTenant } from './references.ts';
import { routingControl } from './routing-service.ts';
import { sharingControl } from './sharing/service.ts';
import { keptConditions, storeConditions } from './store-conditions.ts';
import { trustConditions } from './trust-conditions.ts';
import { updateEndpoint, updateNetwork } from './updates.ts';
import { watchObjects } from './watch.ts';
import { createTenant, deleteTenant } from './tenants.ts';
import { endpointView, networkView, tenantView } from './views.ts';

/** A list is answered from this host's own picture when the store does not say within this time that it is current. */
const FRESHNESS_DEADLINE = 1_000;

export function createControl(deps: ControlDeps): Control {
  const now = () => deps.view.current().state;
  const fresh = async (): Promise<ClusterState> => {
    try {
      await deps.view.sync({ deadline: FRESHNESS_DEADLINE });
    } catch (error) {
      if (!deps.view.usable) throw toWeftError(error);
    }
    return now();
  };
  const listed = async <T>(
    list: (state: ClusterState, filter: ListFilter) => T[],
    filter: ListFilter,
  ): Promise<T[]> => {
    const state = await fresh();
    return list(state, resolveFilter(state, filter));
  };
  const pools = new PoolConditions();
  const upgrade = new UpgradeCondition();
  const local = { node: deps.node.id, status: (id: string) => deps.reconciler.endpointStatus(id) };
  const seen = (endpoint: Endpoint) => endpointView(now(), now().endpoints.get(endpoint.id) ?? endpoint, local);

  const conditions = () => [
    ...storeConditions(deps.store),
    ...keptConditions(deps.view),
    ...(deps.upkeep?.conditions() ?? []),
    ...(deps.underlay?.conditions() ?? []),
    ...trustConditions(deps),
    ...pools.look(now(), deps.now()),
    ...deps.ownership.conditions(),
    ...forgottenConditions(deps),
    ...upgrade.look(deps),
    ...deps.reconciler.conditions(),
  ];

  return {
    status: () =>
      Promise.resolve({
        node: deps.node.name,
        version: deps.version,
        level: clusterLevel(deps),
        store: { state: deps.store.state(), revision: deps.view.revision },
        applied: appliedBy(deps),
        repairs: deps.reconciler.repairs(),
        conditions: conditions(),
      }),

    createTenant: async ({ name }, context) => {
      const tenant = await createTenant(deps, name, context);
      return tenantView(now(), tenant);
    },
    listTenants: async (filter = {}) => listed(listTenants, filter),
    getTenant: async (ref) => {
      const state = await fresh();
      return tenantView(state, findTenant(state, ref));
    },
    deleteTenant: (ref, context) => deleteTenant(deps, ref, context),

    createNetwork: async (request, context) => {
      const network = await createNetwork(deps, request, context);
      return networkView(now(), network);
    },
    listNetworks: async (filter) => listed(listNetworks, filter),
    getNetwork: async (ref) => {
      const state = await fresh();
      return networkView(state, findNetwork(state, ref));
    },
    updateNetwork: async (request, context) => {
      const network = await updateNetwork(deps, request, context);
      return networkView(now(), network);
    },
    extendNetwork: async (request, context) => {
      const network = await extendNetwork(deps, request, context);
      return networkView(now(), network);
    },
    deleteNetwork: (request, context) => deleteNetwork(deps, request, context),

    attach: async (request, context) => seen(await attach(deps, request, context)),
    detach: (ref, context) => detach(deps, ref, context),
    listEndpoints: async (filter) => listed((state, resolved) => listEndpoints(state, resolved, local), filter),
    getEndpoint: async (ref) => {
      const state = await fresh();
      const endpoint = findEndpoint(state, ref);
      return { ...endpointView(state, endpoint, local), drops: await deps.reconciler.drops(endpoint.id) };
    },
    updateEndpoint: async (request, context) => seen(await updateEndpoint(deps, request, context)),

    listNodes: async (filter = {}) => listed(listNodes, filter),

    ...membershipControl(deps, fresh),
    ...routingControl(deps, fresh),
    ...portsControl(deps, fresh, local),
    ...sharingControl(deps, fresh),
    ...peerControl(deps),
    ...examinationControl(deps, conditions),
    resumeStore: (request, context) => resumeStore(deps, request, context),

    listEngines: async (filter) => listed(listEngines, filter),
    syncEngine: async ({ network }, context) => {
      const record = await offerAgain(deps, network, context);
      return engineView(now(), record);
    },
    adoptNetwork: async (ref, context) => {
      const network = await adoptNetwork(deps, ref, context);
      return networkView(now(), network);
    },

    watch: (request, signal) => watchObjects(deps.view, local, request, signal),

    engines: engineControl(deps, seen),
    following: engineFollowing(deps),
  };
}

/** A store restored from a backup counts from a lower revision again: of this history nothing is applied yet. */
function appliedBy({ reconciler, view }: ControlDeps): { revision: number; sequence: number } {
  const { revision, sequence } = reconciler.applied();
  return { revision: revision > view.revision ? 0 : revision, sequence };
}

function engineControl(
  deps: ControlDeps,
  seen: (endpoint: Endpoint) => ReturnType<typeof endpointView>,
): EngineControl {
  return {
    requestPool: (request, context) => requestPool(deps, request, context),
    releasePool: (id, context) => releasePool(deps, id, context),
    requestAddress: (request, context) => requestAddress(deps, request, context),
    releaseAddress: (request, context) => releaseAddress(deps, request, context),
    bindNetwork: async (request, context) => {
      const network = await bindNetwork(deps, request, context);
      return networkView(deps.view.current().state, network);
    },
    unbindNetwork: ({ engineId }, context) => unbindNetwork(deps, engineId, context),
    createEndpoint: async (request, context) => seen(await createEndpoint(deps, request, context)),
    joinEndpoint: async (request, context): Promise<EngineJoin> => {
      const { endpoint, network, interfaceName } = await joinEndpoint(deps, request, context);
      const routes = routesFor(network, endpoint.addresses);
      const links = linksFor(network, endpoint.addresses);
      return { interfaceName, ...gateways(network, endpoint), routes, links, endpoint: seen(endpoint) };
    },
    deleteEndpoint: (request, context) => deleteEndpoint(deps, request, context),
    publishPorts: async ({ ports, ...key }, context) => {
      await publishPorts(deps, () => knownEndpoint(deps, key), ports, context);
    },
    unpublishPorts: (key, context) => unpublishPorts(deps, () => findEngineEndpoint(deps, key), context),
  };
}

function engineFollowing(deps: ControlDeps): EngineFollowing {
  const leaks = new EngineLeaks(deps);
  return {
    networks: (signal) => followEngineNetworks(deps, signal),
    describe: (sightings, context) => describeEndpoints(deps, sightings, context),
    report: (report, context) => reportEngine(deps, report, context),
    claimNetwork: (request, context) => claimNetwork(deps, request, context),
    leaks: (inventory) => leaks.look(inventory),
    collect: (leak, context) => collectLeak(deps, leak, context),
  };
}

/** Of the subnets the endpoint has addresses in; none on an internal network. */
function gateways(network: Network, endpoint: Endpoint): { gateway4: string; gateway6: string } {
  const found = { gateway4: '', gateway6: '' };
  if (network.internal) return found;
  for (const text of endpoint.addresses) {
    const family = parseInterfaceAddress(text)?.address.family;
    const subnet = network.subnets.find((one) => sameSubnet(one.cidr, text));
    if (family === 4) found.gateway4 = subnet?.gateway ?? '';
    if (family === 6) found.gateway6 = subnet?.gateway ?? '';
  }
  return found;
}

function sameSubnet(cidr: string, address: string): boolean {
  const [a, b] = [parseInterfaceAddress(cidr), parseInterfaceAddress(address)];
  return a !== undefined && b !== undefined && a.cidr.first === b.cidr.first && a.cidr.prefix === b.cidr.prefix;
}
