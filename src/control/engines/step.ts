/**
 * Networks made by name appear in the engines of every node as TENANT.NETWORK. Here is what an engine of this node is to
 * have; making it so is the follower's work, over the engine's own API.
 */
import { isDeepStrictEqual } from 'node:util';
import { keys } from '../../model/keys.ts';
import type { ClusterState } from '../../model/cluster.ts';
import type { Binding, EngineRecord, Network } from '../../model/objects.ts';
import type { Compare, Operation } from '../../store/port.ts';
import { commit } from '../commit.ts';
import type { ControlDeps } from '../context.ts';
import type { EngineNetwork, EngineReport, NetworkClaim } from './port.ts';
import type { CallContext } from '../port.ts';

/** Pure. A network that an engine's own create brought into being stays with that engine, and is listed only to go. */
export function engineNetworks(state: ClusterState, node: string): EngineNetwork[] {
  const record = [...state.engines.values()].find((one) => one.node === node);
  const declined = new Set(record?.declined);
  const bindings = [...state.bindings.values()].filter((binding) => binding.node === node);
  return [...state.networks.values()].flatMap((network): EngineNetwork[] => {
    const tenant = state.tenants.get(network.tenant);
    const bound = bindings.filter((binding) => binding.network === network.id).map(({ engineId }) => engineId);
    if (!tenant || (network.origin === 'engine' && !network.leaving)) return [];
    return [
      {
        id: network.id,
        name: engineName(tenant.name, network.name),
        tenant: tenant.name,
        network: network.name,
        subnets: network.subnets.map(({ cidr, gateway }) => ({ cidr, gateway })),
        internal: network.internal,
        wish: wishOf(network, declined),
        force: network.leaving?.force ?? false,
        bound,
      },
    ];
  });
}

export function engineName(tenant: string, network: string): string {
  return `${tenant}.${network}`;
}

function wishOf(network: Network, declined: Set<string>): EngineNetwork['wish'] {
  if (network.leaving) return 'absent';
  return declined.has(network.id) ? 'declined' : 'present';
}

/** At once, and again when the answer is another. */
export async function* followEngineNetworks(deps: ControlDeps, signal: AbortSignal): AsyncIterable<EngineNetwork[]> {
  let last: EngineNetwork[] | undefined;
  for await (const state of deps.view.follow(signal)) {
    // A store from a backup, or what was kept of it, knows less: what it lacks is not to be taken out of the engine.
    if (deps.ownership.isRecovering() || !deps.view.complete) continue;
    const networks = engineNetworks(state, deps.node.id);
    if (isDeepStrictEqual(networks, last)) continue;
    last = networks;
    yield networks;
  }
}

/** Written when it says something new. An engine with another id has lost its records, and with them what was declined. */
export async function reportEngine(deps: ControlDeps, report: EngineReport, context?: CallContext): Promise<void> {
  const key = keys.engine(deps.node.id, report.engine);
  const decide = () => {
    const before = deps.view.value<EngineRecord>(key);
    const { state } = deps.view.current();
    // A host without this engine has nothing to say of it.
    if (!before && report.state === 'away') return { compare: [], then: [], result: undefined };
    const same = report.id === '' || before?.id === report.id;
    const next: EngineRecord = {
      ...before,
      node: deps.node.id,
      ...report,
      id: report.id || (before?.id ?? ''),
      version: report.version || (before?.version ?? ''),
      liveRestore: report.state === 'away' ? (before?.liveRestore ?? false) : report.liveRestore,
      since: before?.state === report.state ? before.since : deps.now().toISOString(),
      declined: same ? (before?.declined ?? []).filter((id) => state.networks.has(id)) : [],
    };
    const changed = !isDeepStrictEqual(before, next);
    return {
      compare: [{ key, revision: deps.view.revisionOf(key) }],
      then: changed ? [{ put: key, value: next }] : [],
      result: undefined,
    };
  };
  await commit(deps, decide, context);
}

/** Ties an engine's network that bears our label to ours, also where the binding was lost. */
export async function claimNetwork(deps: ControlDeps, request: NetworkClaim, context?: CallContext): Promise<void> {
  const decide = () => {
    const network = deps.view.current().state.networks.get(request.network);
    const networkKey = keys.network(request.network);
    const key = keys.binding(request.network, deps.node.id, 'docker', request.engineId);
    const before = deps.view.value<Binding>(key);
    if (!network || network.leaving || before?.synced === request.engine)
      return { compare: [], then: [], result: undefined };
    const binding: Binding = {
      network: network.id,
      node: deps.node.id,
      engine: 'docker',
      engineId: request.engineId,
      createdAt: deps.now().toISOString(),
      ...before,
      synced: request.engine,
    };
    return {
      compare: [
        { key, revision: deps.view.revisionOf(key) },
        { key: networkKey, revision: deps.view.revisionOf(networkKey) },
      ],
      then: [{ put: key, value: binding }],
      result: undefined,
    };
  };
  await commit(deps, decide, context);
}

/**
 * A network that weft put into an engine and that goes there while ours stays was removed by a user of that engine: a wish
 * for that host, kept until it is offered again. An engine that lost its records has wished nothing.
 */
export function declineRecord(deps: ControlDeps, binding: Binding): { compare: Compare[]; then: Operation[] } {
  const key = keys.engine(binding.node, binding.engine);
  const record = deps.view.value<EngineRecord>(key);
  const network = deps.view.current().state.networks.get(binding.network);
  if (binding.synced === undefined || binding.synced !== record?.id || !network || network.leaving) {
    return { compare: [], then: [] };
  }
  const declined = [...new Set([...record.declined, network.id])];
  return {
    compare: [{ key, revision: deps.view.revisionOf(key) }],
    then: [{ put: key, value: { ...record, declined } }],
  };
}
