/**
 * A node that was forgotten: how it learns of it when etcd lets it in no more, and what becomes of its ports. Its endpoints'
 * addresses may be given to others once the rest of the cluster knows, so its ports carry nothing from the moment it knows.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { ClusterView } from './control/cluster-view.ts';
import type { Standing } from './control/ownership/standing.ts';
import type { PeerPort } from './control/ownership/ports.ts';
import { NetlinkKernel } from './kernel/adapter.ts';
import { toWeftError } from './model/errors.ts';
import { holdPorts } from './reconcile/hold.ts';
import type { Store } from './store/port.ts';

/** milliseconds between questions, while etcd is away */
const PAUSE = 3_000;
/** milliseconds for one peer's answer */
const DEADLINE = 2_000;

export interface MembershipWatch {
  node: { id: string };
  store: Store;
  view: ClusterView;
  peers: PeerPort;
  standing: Standing;
}

/** Etcd refuses forgotten nodes without a word: while it is away, peers are asked whether this is why. Until the signal. */
export async function watchMembership(watch: MembershipWatch, signal: AbortSignal): Promise<void> {
  const { store, standing } = watch;
  while (!signal.aborted) {
    if (store.state() === 'away' && standing.state !== 'fenced') {
      const peer = await whoForgot(watch, signal);
      if (peer !== undefined) standing.fencedBy(peer);
    }
    await delay(PAUSE, undefined, { signal }).catch(() => undefined);
  }
}

/** Name of a node that refuses this one as forgotten. */
async function whoForgot({ node, view, peers }: MembershipWatch, signal: AbortSignal): Promise<string | undefined> {
  const others = [...view.current().state.nodes.values()].filter(({ id, api }) => id !== node.id && api !== undefined);
  for (const { id, name } of others) {
    if (signal.aborted) return undefined;
    try {
      await peers.applied(id, { deadline: DEADLINE, signal });
      return undefined;
    } catch (error) {
      if (toWeftError(error).code === 'node-forgotten') return name;
    }
  }
  return undefined;
}

/** Before anything of the cluster is known, or with nothing of it to be known any more. */
export async function takePortsDown({ run, log }: { run: string; log: Logger }): Promise<void> {
  const kernel = new NetlinkKernel({ folder: `${run}/netns`, sysctls: [], onMonitorFailure: () => undefined });
  try {
    const failures = await holdPorts(kernel, { hold: 'down', attached: undefined });
    log.warn({ failures: failures.length }, 'the ports of this node’s endpoints are taken down');
  } finally {
    kernel.close();
  }
}
