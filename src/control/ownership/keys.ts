/** Which records a node writes through its journal, and which of those never leave it. */
import { prefixes } from '../../model/keys.ts';

const OWN = [prefixes.endpoints, prefixes.addresses, prefixes.descriptions];
/** Addresses of other drivers' networks (engines/loose-pools.ts): those pools have no blocks. */
const LOOSE = `${prefixes.addresses}ipam-`;

/** Written by the node that owns it, and by nobody else. */
export function isOwn(key: string): boolean {
  return OWN.some((prefix) => key.startsWith(prefix)) && !key.startsWith(LOOSE);
}

/** The space of each network that this node owns: in the journal alone, since etcd has it in `blocks/`. */
export const SPACE = 'space/';

/** Id of the restoration of the store that this node was last through. */
export const RESTORATION = 'restoration';

/** What this node last wrote its own records again for. */
export const RECOVERING = 'recovering';

/** Where the journal ended before a boot that is not proven yet wrote to it. */
export const BOOT = 'boot';

export function spaceKey(network: string): string {
  return `${SPACE}${network}`;
}

/** Flows from the journal to the store. */
export function isPublished(key: string): boolean {
  return !key.startsWith(SPACE) && key !== RESTORATION && key !== RECOVERING && key !== BOOT;
}
