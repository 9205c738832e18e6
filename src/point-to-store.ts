/**
 * Where etcd is: a host that runs it and moves is missed by all others, who could read the new address in etcd alone. So its node
 * calls them, each once for each address; and, again and again, those whose lease has ended: they may be away because they
 * look for etcd where it was.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { PeerClient } from './api/peer-client.ts';
import type { ClusterView } from './control/cluster-view.ts';
import { toWeftError } from './model/errors.ts';

/** milliseconds between looks */
const PAUSE = 1_000;
/** milliseconds for one node's answer */
const DEADLINE = 2_000;

export interface StoreGuide {
  view: Pick<ClusterView, 'current'>;
  peers: Pick<PeerClient, 'pointToStore'>;
  /** the one that runs etcd */
  node: { id: string };
  /** by which others reach it, as it is now */
  endpoints: () => string[];
  log: Pick<Logger, 'debug'>;
}

/** Until the signal. */
export async function pointToStore(
  { view, peers, node, endpoints, log }: StoreGuide,
  signal: AbortSignal,
): Promise<void> {
  /** by node: what it was told last */
  const told = new Map<string, string>();
  while (!signal.aborted) {
    const now = endpoints();
    const { nodes, live } = view.current().state;
    const toTell = [...nodes.keys()].filter((id) => id !== node.id && (told.get(id) !== now.join() || !live.has(id)));
    await Promise.all(
      toTell.map(async (id) => {
        try {
          await peers.pointToStore(id, now, { deadline: DEADLINE, signal });
          told.set(id, now.join());
        } catch (error) {
          log.debug({ node: id, reason: toWeftError(error).message }, 'a node was not told where etcd is');
        }
      }),
    );
    await delay(PAUSE, undefined, { signal }).catch(() => undefined);
  }
}
