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

/** milliseconds between looks, and between tries of a node that is heard from */
const PAUSE = 1_000;
/** milliseconds between tries of one that is not */
const PAUSE_AWAY = 10_000;
/** milliseconds for one node's answer */
const DEADLINE = 2_000;
/** calls under way */
const AT_ONCE = 16;

export interface StoreGuide {
  view: Pick<ClusterView, 'current'>;
  peers: Pick<PeerClient, 'pointToStore'>;
  /** the one that runs etcd */
  node: { id: string };
  /** by which others reach it, as it is now */
  endpoints: () => string[];
  /** A copy of this host has an etcd of its own, where nobody must be sent to. */
  mayTell: () => boolean;
  /** milliseconds, monotonic */
  clock: () => number;
  log: Pick<Logger, 'debug'>;
}

interface Try {
  endpoints: string;
  heard: boolean;
  at: number;
}

/** Until the signal. */
export async function pointToStore(guide: StoreGuide, signal: AbortSignal): Promise<void> {
  const tries = new Map<string, Try>();
  while (!signal.aborted) {
    if (guide.mayTell()) await tellThoseDue(guide, tries, signal);
    await delay(PAUSE, undefined, { signal }).catch(() => undefined);
  }
}

async function tellThoseDue(guide: StoreGuide, tries: Map<string, Try>, signal: AbortSignal): Promise<void> {
  const { view, node, clock } = guide;
  const endpoints = guide.endpoints();
  const { nodes, live } = view.current().state;
  for (const id of tries.keys()) if (!nodes.has(id)) tries.delete(id);
  const isDue = (id: string) => {
    const last = tries.get(id);
    if (last?.endpoints !== endpoints.join()) return true;
    if (live.has(id)) return !last.heard;
    return clock() - last.at >= PAUSE_AWAY;
  };
  const due = [...nodes.keys()].filter((id) => id !== node.id && isDue(id));
  while (due.length > 0 && !signal.aborted) {
    const tell = async (id: string) => {
      const heard = await isTold(guide, id, endpoints, signal);
      tries.set(id, { endpoints: endpoints.join(), heard, at: clock() });
    };
    await Promise.all(due.splice(0, AT_ONCE).map(tell));
  }
}

async function isTold(
  { peers, log }: StoreGuide,
  id: string,
  endpoints: string[],
  signal: AbortSignal,
): Promise<boolean> {
  try {
    await peers.pointToStore(id, endpoints, { deadline: DEADLINE, signal });
    return true;
  } catch (error) {
    log.debug({ node: id, reason: toWeftError(error).message }, 'a node was not told where etcd is');
    return false;
  }
}
