/** Probes to every live node, by the overlay's own port: does what networks need, or will, arrive there? */
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { WayTried, WayUntried } from '../../doctor/paths.ts';
import { overlayOverhead } from '../../model/cluster.ts';
import type { ClusterState } from '../../model/cluster.ts';
import { describeCause } from '../../model/errors.ts';
import type { Node } from '../../model/objects.ts';
import type { ControlDeps } from '../context.ts';
import { largestMtu } from '../networks.ts';

/** of an IP packet: as an empty frame inside VXLAN */
const SMALL = 128;
/** One is lost now and then, and the first where a router tells its MTU. */
const COPIES = 3;
/** between looks of the other side, in milliseconds */
const LOOKS = [100, 300, 600, 1_000] as const;
const ANSWER_DEADLINE = 2_000;

type ProbeDeps = Pick<ControlDeps, 'settings' | 'probes' | 'examiners'> & {
  view: Pick<ControlDeps['view'], 'current'>;
};

export async function probePeers(deps: ProbeDeps, own: Node, signal?: AbortSignal): Promise<(WayTried | WayUntried)[]> {
  const { state } = deps.view.current();
  const peers = [...state.nodes.values()].filter(({ id }) => id !== own.id && state.live.has(id));
  // What this host cannot send itself is said of its interface.
  const bytes = Math.min(bytesNeeded(deps, state), own.underlayMtu);
  const tried = await Promise.all(
    peers.map(async (peer) => {
      try {
        return await tryWay(deps, { own, peer, bytes, signal });
      } catch (error) {
        return [{ node: peer.name, vtep: peer.vtep, reason: describeCause(error) }];
      }
    }),
  );
  return tried.flat();
}

/** Any two nodes may share any network tomorrow; without one, what a network would get that is made now. */
function bytesNeeded({ settings }: ProbeDeps, state: ClusterState): number {
  const mtus = [...state.networks.values()].map(({ mtu }) => mtu);
  return (mtus.length === 0 ? largestMtu(settings, state) : Math.max(...mtus)) + overlayOverhead(settings.vtepFamily);
}

interface Way {
  own: Node;
  peer: Node;
  bytes: number;
  signal: AbortSignal | undefined;
}

async function tryWay({ probes, examiners, settings }: ProbeDeps, way: Way): Promise<WayTried[]> {
  const { own, peer, bytes, signal } = way;
  if (!probes || !examiners) return [];
  const [small, large] = [probeMac(), probeMac()];
  const options = { deadline: ANSWER_DEADLINE, ...(signal && { signal }) };
  const ask = () => examiners.seenProbes(peer.id, options);
  // A node without a network listens from now on.
  if (!(await ask()).guarded) return [];
  const to = { from: own.vtep, to: peer.vtep, port: settings.overlayPort };
  for (let copy = 0; copy < COPIES; copy++) {
    await probes.send({ ...to, mac: small, bytes: SMALL });
    await probes.send({ ...to, mac: large, bytes });
  }
  let seen = new Set<string>();
  for (const pause of LOOKS) {
    await delay(pause, undefined, signal ? { signal } : {});
    seen = new Set((await ask()).macs);
    if (seen.has(small) && seen.has(large)) break;
  }
  return [{ node: peer.name, vtep: peer.vtep, bytes, small: seen.has(small), large: seen.has(large) }];
}

/** Locally administered, of one. */
function probeMac(): string {
  return ['02', ...[...randomBytes(5)].map((byte) => byte.toString(16).padStart(2, '0'))].join(':');
}
