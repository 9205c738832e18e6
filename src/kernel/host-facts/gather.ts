/** What a host is like around weft, looked up anew. Nothing is changed, and what cannot be read is left out. */
import { release } from 'node:os';
import { RouteSocket } from 'netlink-ts';
import type { FactsWish, HostFacts } from '../../model/host-facts.ts';
import { LINK_GROUP } from '../link-group.ts';
import { ROUTE_PROTOCOL } from '../uplinks.ts';
import { checksums } from './checksums.ts';
import { legacyTables } from './legacy-tables.ts';
import { linkManagers } from './link-managers.ts';
import { lackingModules } from './modules.ts';
import { udevRules } from './udev-rules.ts';
import { numberIn } from './files.ts';
import { sourceTo } from './source-address.ts';

const MAIN_TABLE = 254;
const CONNECTIONS = '/proc/sys/net/netfilter/nf_conntrack';
const NEIGHBOURS = (family: string) => `/proc/sys/net/${family}/neigh/default/gc_thresh3`;

export async function gatherHostFacts({ vtep, peers, sandboxes }: FactsWish): Promise<HostFacts> {
  const [used, most] = [await numberIn(`${CONNECTIONS}_count`), await numberIn(`${CONNECTIONS}_max`)];
  return {
    release: release(),
    lackingModules: await lackingModules(release()),
    ...(await linksAndRoutes(vtep)),
    ways: await Promise.all(peers.map(async (peer) => ({ ...peer, source: await sourceTo(peer.vtep) }))),
    ...(await legacyTables()),
    checksums: await checksums(sandboxes),
    linkManagers: await linkManagers(),
    udevRules: await udevRules(),
    connections: used === undefined || most === undefined ? undefined : { used, most },
    neighbourLimits: { ipv4: await numberIn(NEIGHBOURS('ipv4')), ipv6: await numberIn(NEIGHBOURS('ipv6')) },
  };
}

async function linksAndRoutes(vtep: string): Promise<Pick<HostFacts, 'underlay' | 'routes'>> {
  const rt = RouteSocket.open({});
  try {
    const [links, addresses, routes] = [
      await rt.links.list(),
      await rt.addresses.list(),
      await rt.routes.list({ table: MAIN_TABLE }),
    ];
    const byIndex = new Map(links.map((link) => [link.index, link]));
    const holder = byIndex.get(addresses.find(({ address }) => address === vtep)?.index ?? 0);
    return {
      underlay: holder && { interface: holder.name, mtu: holder.mtu ?? 0, up: holder.up },
      routes: routes.flatMap(({ destination, protocol, oif, cloned }) => {
        const link = byIndex.get(oif ?? 0);
        if (!link || cloned || protocol === ROUTE_PROTOCOL || link.group === LINK_GROUP) return [];
        return destination.endsWith('/0') ? [] : [{ destination, interface: link.name }];
      }),
    };
  } finally {
    rt.close();
  }
}
