/** What this host tells the cluster of itself: all of it when it registers, of its address whenever that changes. */
import type { Config } from './config.ts';
import type { Underlay } from './kernel/underlay.ts';
import { hostPort } from './model/address/address.ts';
import type { Node } from './model/objects.ts';
import type { Edition } from './next-version.ts';

interface Registrant {
  underlay: { readonly current: Underlay };
  config: Config;
  edition: Pick<Edition, 'version' | 'level'>;
}

export function nodeRecord(
  { underlay, config, edition }: Registrant,
  owner: { id: string; name: string; bootId: string },
): Node {
  return {
    ...owner,
    ...addressRecord(underlay.current, config),
    ...{ version: edition.version, level: edition.level },
    createdAt: new Date().toISOString(),
  };
}

/** The part of its record that goes by its address. */
export function addressRecord(underlay: Underlay, { api }: Config) {
  return {
    vtep: underlay.address,
    underlayMtu: underlay.mtu,
    interface: underlay.interface,
    addresses: underlay.addresses,
    subnets: underlay.subnets,
    api: hostPort(underlay.address, api.port),
  } satisfies Partial<Node>;
}
