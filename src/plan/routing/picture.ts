/**
 * What several plans of one host ask of a picture of the cluster, each of it made once: a round asks for every tenant, and each
 * answer looks at all endpoints. A picture never changes, so what follows from it may be kept for as long as it is. Pure.
 */
import type { ClusterSettings, ClusterState } from '../../model/cluster.ts';
import { forwardsOf } from '../ports/forwards.ts';
import type { PortForward } from '../ports/intent.ts';
import { bordersOf } from './borders.ts';
import type { Borders } from './intents.ts';
import type { RoutingContext } from './plan.ts';
import { uplinksOf } from './uplinks.ts';
import type { Uplink } from './uplinks.ts';

export interface RoutingPicture {
  node: string;
  settings: ClusterSettings;
  /** by tenant id */
  uplinks: ReadonlyMap<string, Uplink>;
  /** of this host, of all tenants; sorted */
  forwards: readonly PortForward[];
  borders: Borders;
}

const pictures = new WeakMap<ClusterState, RoutingPicture>();

export function routingOf(state: ClusterState, { node, settings }: RoutingContext): RoutingPicture {
  const known = pictures.get(state);
  if (known?.node === node && known.settings === settings) return known;
  const uplinks = uplinksOf(state, { node, settings });
  const transits = new Map([...uplinks].map(([id, { transit }]) => [id, transit]));
  const forwards = forwardsOf(state, { node, settings }, transits);
  const made = { node, settings, uplinks, forwards, borders: bordersOf(state, settings) };
  pictures.set(state, made);
  return made;
}
