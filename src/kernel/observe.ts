/** Dumps of a tenant's namespace as the objects a plan speaks of. Only what is ours is reported; see `isOurs`. */
import { NUD_NOARP, NUD_PERMANENT } from 'netlink-ts';
import type { BridgePortData, Link, RoutingRule } from 'netlink-ts';
import { ALIAS_PREFIX, UPLINK } from '../plan/objects.ts';
import type { KernelObject, LinkObject, Observed, PortFlags, RuleObject, RelayObject } from '../plan/objects.ts';
import { connectedOf, routesOver } from './connected-routes.ts';
import { LINK_GROUP, REMOVED_GROUP } from './link-group.ts';
import type { NamespaceHandle } from './namespaces.ts';
import { observeUplink, routeObjects, ROUTE_PROTOCOL } from './uplinks.ts';

const NAMES = /^(w[bxet]|up0$)/;
const RELAY = /^wt/;

export interface Observation extends Observed {
  /** interface indices by name */
  indices: Map<string, number>;
}

/** `host`: where the other ends of uplinks are; `settings`: as they were read */
export async function observe(
  handle: NamespaceHandle,
  host: Pick<NamespaceHandle, 'namespace' | 'rt'>,
  settings: readonly KernelObject[],
): Promise<Observation> {
  const { rt } = handle;
  const [links, addresses, neighbours, entries, rules, routes] = await Promise.all([
    rt.links.list(),
    rt.addresses.list(),
    rt.neighbours.list(),
    rt.fdb.list(),
    rt.rules.list(),
    routesOver(rt),
  ]);
  const over = ({ index }: Link) => routes.filter(({ oif }) => oif === index);
  const byIndex = new Map(links.map((link) => [link.index, link]));
  const ours = new Map(links.filter(isOurs).map((link) => [link.index, link]));
  const objects = [...settings];
  for (const link of ours.values()) {
    const object = link.name === UPLINK ? await observeUplink(link, host) : linkObject(link, byIndex);
    if (object) objects.push(object);
    if (link.name === UPLINK || RELAY.test(link.name)) objects.push(...routeObjects(link, over(link)));
  }
  for (const { index, address, prefix, scope } of addresses) {
    const link = ours.get(index);
    if (!link || !(link.name === UPLINK || (link.kind === 'bridge' && scope === 0))) continue;
    const cidr = `${address}/${prefix}`;
    // A link that is down has no routes.
    if (!link.up || connectedOf([cidr], over(link)).length > 0)
      objects.push({ kind: 'address', link: link.name, cidr });
  }
  for (const { index, address, mac, state } of neighbours) {
    const link = ours.get(index);
    if (link && (link.kind === 'bridge' || RELAY.test(link.name)) && mac && (state & NUD_PERMANENT) !== 0) {
      objects.push({ kind: 'neighbour', link: link.name, address, mac });
    }
  }
  for (const { index, mac, via, dst, state } of entries) {
    const link = ours.get(index);
    if (!link || link.kind === 'bridge') continue;
    if (via === 'self' && link.kind === 'vxlan') {
      objects.push({ kind: 'fdb', link: link.name, mac, via, dst: dst ?? null });
    }
    // The bridge's own entries for its ports are permanent; those that somebody set are not.
    if (via === 'master' && (state & NUD_NOARP) !== 0) {
      objects.push({ kind: 'fdb', link: link.name, mac, via, dst: null });
    }
  }
  objects.push(...rules.flatMap(ruleObject));
  return {
    objects,
    foreign: links.filter((link) => NAMES.test(link.name) && !isOurs(link)).map((link) => link.name),
    indices: new Map(links.map((link) => [link.name, link.index])),
  };
}

function isOurs(link: Link): boolean {
  const marked = link.group === LINK_GROUP || link.group === REMOVED_GROUP;
  return NAMES.test(link.name) && (link.alias?.startsWith(ALIAS_PREFIX) === true || marked);
}

function linkObject(link: Link, byIndex: Map<number, Link>): LinkObject | undefined {
  const fields = { name: link.name, alias: link.alias ?? '', mtu: link.mtu ?? 0, up: link.up };
  const bridge = (link.master === undefined ? undefined : byIndex.get(link.master)?.name) ?? '';
  switch (link.kind) {
    case 'bridge':
      return {
        kind: 'bridge',
        ...fields,
        mac: link.address ?? '',
        mcastSnooping: link.bridge?.mcastSnooping ?? true,
      };
    case 'vxlan':
      if (RELAY.test(link.name)) return relayObject(link, fields);
      return {
        kind: 'vxlan',
        ...fields,
        bridge,
        vni: link.vxlan?.id ?? 0,
        local: link.vxlan?.local ?? '',
        udpPort: link.vxlan?.port ?? 0,
        flags: portFlags(link.bridgePort),
      };
    case 'veth':
      return { kind: 'port', ...fields, bridge, flags: portFlags(link.bridgePort), peer: null };
    default:
      return undefined;
  }
}

function relayObject(link: Link, fields: Pick<RelayObject, 'name' | 'alias' | 'mtu' | 'up'>): RelayObject {
  const { id: vni = 0, local = '', port: udpPort = 0 } = link.vxlan ?? {};
  return { kind: 'relay', ...fields, mac: link.address ?? '', vni, local, udpPort };
}

function ruleObject({ family, priority, mark = 0, table, suppressPrefixLength, protocol }: RoutingRule): RuleObject[] {
  if (protocol !== ROUTE_PROTOCOL) return [];
  const suppressed = suppressPrefixLength === undefined ? {} : { suppressPrefixLength };
  return [{ kind: 'rule', family, priority, mark, table, ...suppressed }];
}

function portFlags(port: BridgePortData | undefined): PortFlags {
  return {
    learning: port?.learning ?? true,
    neighSuppress: port?.neighSuppress ?? false,
    unicastFlood: port?.unicastFlood ?? true,
    mcastFlood: port?.mcastFlood ?? true,
    bcastFlood: port?.bcastFlood ?? true,
  };
}
