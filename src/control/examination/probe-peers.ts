/** Probes to every live node that shares a network with this one, by the overlay's own port: does what it needs arrive? */
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { WayTried } from '../../doctor/paths.ts';
import { overlayOverhead } from '../../model/cluster.ts';
import type { ClusterState } from '../../model/cluster.ts';
import type { Node } from '../../model/objects.ts';
import { ownNetworks } from '../../plan/routing/presence.ts';
import type { ControlDeps } from '../context.ts';

/** of an IP packet: as an empty frame inside VXLAN */
const SMALL = 128;
/** One is lost now and then, and the first where a router tells its MTU. */
const COPIES = 3;
/** between looks of the other side, in milliseconds */
const LOOKS = [100, 300, 600, 1_000] as const;
const ANSWER_DEADLINE = 2_000;

export async function probePeers(deps: ControlDeps, own: Node, signal?: AbortSignal): Promise<WayTried[]> {
  const { state } = deps.view.current();
  const peers = [...state.nodes.values()].filter(({ id }) => id !== own.id && state.live.has(id));
  const tried = await Promise.all(
    peers.map(async (peer) => {
      const bytes = bytesNeeded(state, own, peer) + overlayOverhead(deps.settings.vtepFamily);
      // What this host cannot send itself is said of its interface.
      if (bytes > own.underlayMtu || bytes < SMALL) return [];
      try {
        return await tryWay(deps, { own, peer, bytes, signal });
      } catch (error) {
        deps.log.debug({ err: error, peer: peer.name }, 'the way to a node could not be tried');
        return [];
      }
    }),
  );
  return tried.flat();
}

/** The largest MTU of the networks that both have; NaN without one, whose guards take no probes. */
function bytesNeeded(state: ClusterState, own: Node, peer: Node): number {
  const [here, there] = [ownNetworks(state, own.id), ownNetworks(state, peer.id)];
  const shared = [...here].filter((id) => there.has(id));
  return Math.max(...shared.map((id) => state.networks.get(id)?.mtu ?? 0), shared.length === 0 ? Number.NaN : 0);
}

interface Way {
  own: Node;
  peer: Node;
  bytes: number;
  signal: AbortSignal | undefined;
}

async function tryWay({ probes, examiners, settings }: ControlDeps, way: Way): Promise<WayTried[]> {
  const { own, peer, bytes, signal } = way;
  if (!probes || !examiners) return [];
  const [small, large] = [probeMac(), probeMac()];
  const options = { deadline: ANSWER_DEADLINE, ...(signal && { signal }) };
  const to = { from: own.vtep, to: peer.vtep, port: settings.overlayPort };
  for (let copy = 0; copy < COPIES; copy++) {
    await probes.send({ ...to, mac: small, bytes: SMALL });
    await probes.send({ ...to, mac: large, bytes });
  }
  let seen = new Set<string>();
  for (const pause of LOOKS) {
    await delay(pause, undefined, signal ? { signal } : {});
    const { guarded, macs } = await examiners.seenProbes(peer.id, options);
    if (!guarded) return [];
    seen = new Set(macs);
    if (seen.has(small) && seen.has(large)) break;
  }
  return [{ node: peer.name, vtep: peer.vtep, bytes, small: seen.has(small), large: seen.has(large) }];
}

/** Locally administered, of one. */
function probeMac(): string {
  return ['02', ...[...randomBytes(5)].map((byte) => byte.toString(16).padStart(2, '0'))].join(':');
}
