/**
 * Watching objects as users see them. The picture of the cluster is compared with the one told last, so a slow reader is
 * told less, never something wrong, and costs no queue.
 */
import { isDeepStrictEqual } from 'node:util';
import type { ClusterState } from '../model/cluster.ts';
import { invalid } from '../model/validate.ts';
import type { ClusterView } from './cluster-view.ts';
import { listEndpoints, listEngines, listNetworks, listNodes, listTenants, resolveFilter } from './lists.ts';
import type {
  EndpointView,
  EngineView,
  ListFilter,
  NetworkView,
  NodeView,
  TenantView,
  WatchEvent,
  WatchKind,
  WatchRequest,
} from './port.ts';
import type { LocalStatus } from './views.ts';

const KINDS: readonly WatchKind[] = ['tenant', 'network', 'endpoint', 'node', 'engine'];
/** An endpoint's state changes when its own kernel has it, which no record says: milliseconds. */
const TICK = 1_000;

type Shown =
  | { kind: 'tenant'; tenant: TenantView }
  | { kind: 'network'; network: NetworkView }
  | { kind: 'endpoint'; endpoint: EndpointView }
  | { kind: 'node'; node: NodeView }
  | { kind: 'engine'; engine: EngineView };

export async function* watchObjects(
  view: ClusterView,
  local: LocalStatus,
  request: WatchRequest,
  signal: AbortSignal,
): AsyncIterable<WatchEvent> {
  const kinds = checkKinds(request.kinds);
  let before = new Map<string, Shown>();
  let filter: ListFilter | undefined;
  for await (const state of view.follow(signal, TICK)) {
    const synced = filter !== undefined;
    // Once: a tenant that is watched and goes is the end of what is shown, not a failure of the watch.
    filter ??= resolveFilter(state, request);
    const now = shownObjects(state, local, filter, kinds);
    const stamp = { revision: state.revision, at: new Date().toISOString() };
    for (const change of differences(before, now)) yield { ...stamp, ...change };
    if (!synced) yield { ...stamp, type: 'synced', kind: '' };
    before = now;
  }
}

function checkKinds(asked: string[]): readonly WatchKind[] {
  if (asked.length === 0) return KINDS;
  return asked.map((text, i) => {
    const kind = KINDS.find((one) => one === text);
    if (!kind) throw invalid(`kinds[${i}]`, `"${text}" is none of ${KINDS.join(', ')}`);
    return kind;
  });
}

/** By kind and id. */
function shownObjects(
  state: ClusterState,
  local: LocalStatus,
  filter: ListFilter,
  kinds: readonly WatchKind[],
): Map<string, Shown> {
  const shown = new Map<string, Shown>();
  const wants = (kind: WatchKind) => kinds.includes(kind);
  if (wants('tenant'))
    for (const tenant of listTenants(state, filter)) shown.set(`tenant/${tenant.id}`, { kind: 'tenant', tenant });
  if (wants('network')) {
    for (const network of listNetworks(state, filter)) shown.set(`network/${network.id}`, { kind: 'network', network });
  }
  if (wants('endpoint')) {
    for (const endpoint of listEndpoints(state, filter, local)) {
      shown.set(`endpoint/${endpoint.id}`, { kind: 'endpoint', endpoint });
    }
  }
  if (wants('node')) for (const node of listNodes(state, filter)) shown.set(`node/${node.id}`, { kind: 'node', node });
  if (wants('engine')) {
    for (const engine of listEngines(state, filter))
      shown.set(`engine/${engine.node}/${engine.engine}`, { kind: 'engine', engine });
  }
  return shown;
}

/** Pure. What went first, so that a name may be another object's in the next line. */
export function differences(
  before: ReadonlyMap<string, Shown>,
  now: ReadonlyMap<string, Shown>,
): ({ type: 'added' | 'changed' | 'removed' } & Shown)[] {
  const changes: ({ type: 'added' | 'changed' | 'removed' } & Shown)[] = [];
  for (const [key, shown] of before) if (!now.has(key)) changes.push({ type: 'removed', ...shown });
  for (const [key, shown] of now) {
    const last = before.get(key);
    if (!last) changes.push({ type: 'added', ...shown });
    else if (!isDeepStrictEqual(last, shown)) changes.push({ type: 'changed', ...shown });
  }
  return changes;
}
