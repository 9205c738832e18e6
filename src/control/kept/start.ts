/** What of a kept picture a start may serve from: it must be this node's, of its cluster, and whole enough to plan from. */
import type { ClusterSettings } from '../../model/cluster.ts';
import { keys, prefixes } from '../../model/keys.ts';
import { LEVEL, levelOf } from '../../model/level.ts';
import type { LevelRecord } from '../../model/level.ts';
import type { Endpoint } from '../../model/objects.ts';
import type { Entry } from '../../store/port.ts';
import type { Found } from '../../store/picture/port.ts';
import { isOwn } from '../ownership/keys.ts';

export interface Start {
  settings: ClusterSettings;
  revision: number;
  /** ISO time */
  takenAt: string;
  entries: Entry[];
}

/** A network that this node has endpoints in, and the picture does not: to serve from it would cut them off. Pure. */
export function lacking({ entries }: Start, own: Iterable<[string, unknown]>): string | undefined {
  const known = new Set(entries.map(({ key }) => key));
  for (const [key, value] of own) {
    if (!key.startsWith(prefixes.endpoints)) continue;
    const { network, tenant } = value as Endpoint;
    if (!known.has(keys.network(network)) || !known.has(keys.tenant(tenant))) return network;
  }
  return undefined;
}

export type StartFound = { ok: true; start: Start } | { ok: false; reason: string };

/** Pure. Of what this node owns the journal knows more, what ended among it: none of that is taken from the picture. */
export function startFrom(found: Found, node: string, readable = LEVEL): StartFound {
  if (!found.ok) return found;
  const { picture } = found;
  if (picture.node !== node) return { ok: false, reason: `it is of another node, ${picture.node}` };
  const settings = picture.entries.find(({ key }) => key === keys.settings)?.value as ClusterSettings | undefined;
  if (settings?.id !== picture.cluster) return { ok: false, reason: 'it lacks the settings of the cluster' };
  const level = levelOf(picture.entries.find(({ key }) => key === keys.level)?.value as LevelRecord | undefined);
  if (level > readable) return { ok: false, reason: `its level ${level} is a later version's` };
  const ownNode = picture.entries.some(({ key }) => key === keys.node(node));
  if (!ownNode) return { ok: false, reason: 'this node was not registered yet when it was taken' };
  const entries = picture.entries.filter(
    ({ key, value }) => !isOwn(key) || (value as { node?: string } | null)?.node !== node,
  );
  return { ok: true, start: { settings, revision: picture.revision, takenAt: picture.takenAt, entries } };
}
