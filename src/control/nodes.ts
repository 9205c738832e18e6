/** A node's own records: its registration, its life on a lease, and the constants of the cluster it joins. */
import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import { DEFAULT_SETTINGS, overlayOverhead } from '../model/cluster.ts';
import type { ClusterSettings } from '../model/cluster.ts';
import { WeftError } from '../model/errors.ts';
import { keys } from '../model/keys.ts';
import { levelOf } from '../model/level.ts';
import { NODE_LEASE_SECONDS } from '../model/limits.ts';
import { newId } from '../model/names.ts';
import type { ForgottenNode, Node, NodeLife } from '../model/objects.ts';
import type { Lease, Store } from '../store/port.ts';
import { commit } from './commit.ts';
import type { CommitDeps } from './commit.ts';
import type { ControlDeps } from './context.ts';
import { assertReadable, touchLevel } from './level.ts';
import { networkName } from './references.ts';

/** Reads the cluster's constants, or makes them with the first node. Waits for the store until the signal. */
export async function ensureSettings(
  store: Store,
  wish: { vtepFamily: 4 | 6; now: Date },
  signal: AbortSignal,
  deadline?: number,
): Promise<ClusterSettings> {
  const options = { signal, ...(deadline !== undefined && { deadline }) };
  const made: ClusterSettings = {
    id: newId(),
    ...DEFAULT_SETTINGS,
    vtepFamily: wish.vtepFamily,
    createdAt: wish.now.toISOString(),
  };
  await store.transact(
    { compare: [{ key: keys.settings, revision: 0 }], then: [{ put: keys.settings, value: made }] },
    options,
  );
  const { entry } = await store.get(keys.settings, options);
  const settings = entry?.value as ClusterSettings | undefined;
  if (!settings) throw new WeftError('store-away', 'the settings of the cluster vanished while they were read');
  if (settings.vtepFamily !== wish.vtepFamily) {
    throw new WeftError(
      'configuration-invalid',
      `underlay: this cluster's overlay runs over IPv${settings.vtepFamily}, this host's address is IPv${wish.vtepFamily}`,
      { object: 'underlay.address', next: `set underlay.family to ${settings.vtepFamily}` },
    );
  }
  return settings;
}

/** Writes the node's record; refuses a host whose underlay cannot carry the networks there are, or whose name is taken. */
export async function registerNode(
  deps: CommitDeps & Pick<ControlDeps, 'settings' | 'level' | 'version' | 'node' | 'now'>,
  node: Node,
  signal: AbortSignal,
): Promise<void> {
  const nameKey = keys.nodeName(node.name);
  const nodeKey = keys.node(node.id);
  const decide = () => {
    const { state } = deps.view.current();
    assertReadable(deps);
    const forgottenKey = keys.forgotten(node.id);
    const forgotten = deps.view.value<ForgottenNode>(forgottenKey);
    if (forgotten) {
      throw new WeftError('node-forgotten', `this node was forgotten by the cluster at ${forgotten.at}`, {
        object: node.name,
      });
    }
    const holder = deps.view.value<string>(nameKey);
    if (holder !== undefined && holder !== node.id) {
      throw new WeftError('name-taken', `another node is called "${node.name}"`, {
        object: node.name,
        next: 'set node.name to a name of its own',
      });
    }
    const largest = node.underlayMtu - overlayOverhead(deps.settings.vtepFamily);
    const tooBig = [...state.networks.values()].find((network) => network.mtu > largest);
    if (tooBig) {
      throw new WeftError(
        'mtu-too-large',
        `this host's underlay carries ${largest} bytes inside VXLAN, but ${networkName(state, tooBig)} has MTU ${tooBig.mtu}`,
        { object: node.name, next: `raise the underlay's MTU to ${tooBig.mtu + node.underlayMtu - largest}` },
      );
    }
    const before = state.nodes.get(node.id);
    const level = before && levelOf(before) === levelOf(node) ? { compare: [], then: [] } : touchLevel(deps);
    return {
      compare: [
        ...level.compare,
        { key: forgottenKey, revision: 0 },
        { key: nameKey, revision: deps.view.revisionOf(nameKey) },
        { key: nodeKey, revision: deps.view.revisionOf(nodeKey) },
      ],
      then: [
        ...level.then,
        { put: nameKey, value: node.id },
        { put: nodeKey, value: { ...before, ...node, createdAt: before?.createdAt ?? node.createdAt } },
        ...(before && before.name !== node.name ? [{ delete: keys.nodeName(before.name) }] : []),
      ],
      result: undefined,
    };
  };
  await commit(deps, decide, { signal });
}

/**
 * What changed on a host that runs: its address, its MTU. A host that its networks do not fit any more is not refused, since
 * its containers run; `weft doctor` finds it. Nothing is written for a node that has not registered: that will tell it.
 */
export async function updateNode(
  deps: CommitDeps & Pick<ControlDeps, 'node'>,
  told: Partial<Node>,
  signal: AbortSignal,
): Promise<void> {
  const key = keys.node(deps.node.id);
  const decide = () => {
    const before = deps.view.value<Node>(key);
    const node = before && { ...before, ...told };
    const same = isDeepStrictEqual(node, before);
    return {
      compare: [{ key, revision: deps.view.revisionOf(key) }],
      then: same ? [] : [{ put: key, value: node }],
      result: undefined,
    };
  };
  await commit(deps, decide, { signal });
}

/**
 * Keeps `live/<node>` in the store until the signal; a lost lease is taken anew as soon as the store answers. A stop does
 * not revoke it: a daemon that is back within the lease's time was never away for its peers.
 */
export async function keepAlive(
  deps: { store: Store; log: Logger; pause: (signal: AbortSignal) => Promise<void> },
  life: NodeLife,
  signal: AbortSignal,
): Promise<void> {
  const put = (lease: Lease) => ({ compare: [], then: [{ put: keys.live(life.node), value: life, lease }] });
  for (;;) {
    try {
      const lease = await deps.store.lease(NODE_LEASE_SECONDS, { signal });
      await deps.store.transact(put(lease), { signal });
      await aborted(AbortSignal.any([lease.lost, signal]));
      if (isOver(signal)) return;
      deps.log.warn('the lease of this node was lost; taking a new one');
    } catch (error) {
      if (isOver(signal)) return;
      deps.log.warn({ err: error }, 'this node is not registered as live');
      await deps.pause(signal);
    }
  }
}

function isOver(signal: AbortSignal): boolean {
  return signal.aborted;
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
