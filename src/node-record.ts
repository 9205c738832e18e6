/** What this host tells the cluster of itself when it registers. */
import type { Config } from './config.ts';
import type { Underlay } from './kernel/underlay.ts';
import { hostPort } from './model/address/address.ts';
import type { Node } from './model/objects.ts';
import type { Edition } from './next-version.ts';

interface Registrant {
  underlay: Underlay;
  config: Config;
  edition: Pick<Edition, 'version' | 'level'>;
}

export function nodeRecord(
  { underlay, config, edition }: Registrant,
  owner: { id: string; name: string; bootId: string },
): Node {
  return {
    ...owner,
    vtep: underlay.address,
    underlayMtu: underlay.mtu,
    interface: underlay.interface,
    addresses: underlay.addresses,
    subnets: underlay.subnets,
    api: hostPort(underlay.address, config.api.port),
    ...{ version: edition.version, level: edition.level },
    createdAt: new Date().toISOString(),
  };
}
