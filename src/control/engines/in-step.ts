/** What people see and ask of engines kept in step: which engine has which network, and why not. */
import { WeftError } from '../../model/errors.ts';
import type { ClusterState } from '../../model/cluster.ts';
import { keys } from '../../model/keys.ts';
import type { EngineRecord, Network } from '../../model/objects.ts';
import { commit } from '../commit.ts';
import type { ControlDeps } from '../context.ts';
import type { CallContext, EngineNetworkView, EngineView } from '../port.ts';
import { assertStays, findNetwork, networkName } from '../references.ts';
import { engineName } from './step.ts';

/** Pure. */
export function engineView(state: ClusterState, record: EngineRecord): EngineView {
  const { engine, state: connection, id, version, liveRestore, since } = record;
  return {
    node: state.nodes.get(record.node)?.name ?? record.node,
    engine,
    state: connection,
    id,
    version,
    liveRestore,
    since,
    networks: [...state.networks.values()]
      .flatMap((network) => networkInEngine(state, record, network) ?? [])
      .sort((a, b) => (a.network < b.network ? -1 : 1)),
  };
}

/** undefined: of no concern to this engine. */
function networkInEngine(state: ClusterState, record: EngineRecord, network: Network): EngineNetworkView | undefined {
  const tenant = state.tenants.get(network.tenant)?.name ?? network.tenant;
  const name = engineName(tenant, network.name);
  const shown = { network: networkName(state, network), name };
  const bindings = [...state.bindings.values()].filter(
    (binding) => binding.node === record.node && binding.network === network.id,
  );
  const problem = record.problems.find((one) => one.name === name);
  if (network.origin === 'engine') {
    const own = { ...shown, name: bindings[0]?.engineId.slice(0, 12) ?? '', state: 'own' as const };
    const next = `weft docker adopt ${shown.network}`;
    return bindings.length === 0 ? undefined : { ...own, reason: 'made by a user of this engine', next };
  }
  if (problem) return { ...shown, state: 'clash', reason: problem.reason, next: problem.next };
  if (record.declined.includes(network.id)) {
    const next = `weft docker sync ${shown.network}`;
    return { ...shown, state: 'declined', reason: 'removed by a user of this engine', next };
  }
  if (bindings.length > 0 && !network.leaving) return { ...shown, state: 'present', reason: '', next: '' };
  const reason = network.leaving ? 'being deleted' : record.state === 'away' ? 'the engine is away' : 'not made yet';
  return { ...shown, state: 'pending', reason, next: '' };
}

/** Networks that users of this node's engine removed are offered to it again: the one named, or all. */
export async function offerAgain(
  deps: ControlDeps,
  ref: string | undefined,
  context?: CallContext,
): Promise<EngineRecord> {
  const key = keys.engine(deps.node.id, 'docker');
  const decide = () => {
    const record = deps.view.value<EngineRecord>(key);
    const wanted = ref === undefined ? undefined : findNetwork(deps.view.current().state, ref).id;
    if (!record) {
      throw new WeftError('engine-away', 'no Docker engine has been seen on this host', {
        object: deps.node.name,
        next: 'systemctl status docker; docker.enabled and docker.api in weft.yaml',
      });
    }
    const declined = wanted === undefined ? [] : record.declined.filter((id) => id !== wanted);
    const next = { ...record, declined };
    return {
      compare: [{ key, revision: deps.view.revisionOf(key) }],
      then: declined.length === record.declined.length ? [] : [{ put: key, value: next }],
      result: next,
    };
  };
  return (await commit(deps, decide, context)).result;
}

/** From then on it is like one made by name: on every engine, until it is deleted by name. */
export async function adoptNetwork(deps: ControlDeps, ref: string, context?: CallContext): Promise<Network> {
  const decide = () => {
    const { state } = deps.view.current();
    const network = findNetwork(state, ref);
    assertStays(state, network);
    const key = keys.network(network.id);
    const next: Network = { ...network, origin: 'user' };
    return {
      compare: [{ key, revision: deps.view.revisionOf(key) }],
      then: network.origin === 'user' ? [] : [{ put: key, value: next }],
      result: next,
    };
  };
  return (await commit(deps, decide, context)).result;
}
