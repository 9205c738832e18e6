/** All that evil forges, sent once: what of it arrives where it does not belong. */
import { forgeries } from '../../support/forgeries.ts';
import type { Forgery } from '../../support/forgeries.ts';
import { BROADCAST } from '../../support/frames.ts';
import { direct, encapsulated, OVERLAY_PORT } from './crossings.ts';
import type { HostileScene } from './scene.ts';

const NOBODY = { ipv4: '10.10.9.9', ipv6: 'fd00:10::9999' };

/** In evil's own network. */
export function forgeriesOf(scene: HostileScene): Forgery[] {
  return (['v1', 'v2'] as const).flatMap((name) => forgeries(scene.party('evil'), scene.party(name), NOBODY));
}

export function tracesOf(forged: readonly Forgery[]): Map<string, Buffer> {
  return new Map(forged.map(({ what, frame }, i) => [`${i} ${what}`, frame]));
}

/** Everything that evil forges, and VXLAN of foreign's where that is said: what arrived, that must not have. */
export async function astray(scene: HostileScene, foreigners: boolean): Promise<string[]> {
  const forged = forgeriesOf(scene);
  const crossings = [direct(scene), encapsulated(scene, 'evil')];
  const foreign = foreigners ? encapsulated(scene, 'foreign') : { frames: [], traces: [] };
  const evil = [...forged.map(({ frame }) => frame), ...crossings.flatMap(({ frames }) => frames)];
  const traces = new Map([...tracesOf(forged), ...crossings.flatMap((one) => [...one.traces]), ...foreign.traces]);
  return (await scene.arrivals({ evil, foreign: foreign.frames }, traces)).filter((found) => !belongs(found));
}

/** Broadcasts are the network's own, where v1 stands; a published port is for everybody, and leads to who published it. */
function belongs(found: string): boolean {
  if (found.endsWith(' at v1') && found.includes(`to ${BROADCAST}`)) return true;
  if (found.includes(`port ${OVERLAY_PORT}`)) return false;
  return (
    found.startsWith('VXLAN') &&
    (/host1 .* at v1$/.test(found) || /host2 .* at v2$/.test(found) || /at underlay$/.test(found))
  );
}
