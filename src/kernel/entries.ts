/** Addresses, forwarding entries, neighbours and settings: what stands on links. */
import { NetlinkError, writeSysctl } from 'netlink-ts';
import type { RouteSocket } from 'netlink-ts';
import { formatAddress } from '../model/address/address.ts';
import { parseInterfaceAddress } from '../model/address/cidr.ts';
import { WeftError } from '../model/errors.ts';
import type {
  AddressObject,
  FdbObject,
  NeighbourObject,
  RouteObject,
  RuleObject,
  SysctlObject,
} from '../plan/objects.ts';
import type { NamespaceHandle } from './namespaces.ts';
import { connectedOf, routesOver } from './connected-routes.ts';
import { settingOf } from './settings.ts';
import { ROUTE_PROTOCOL } from './uplinks.ts';

type Entry = AddressObject | FdbObject | NeighbourObject | RouteObject;

/** What is there already is replaced. */
export async function putEntry(rt: RouteSocket, entry: Entry, index: number): Promise<void> {
  switch (entry.kind) {
    case 'address':
      return await putAddress(rt, entry, index);
    case 'route':
      return await rt.routes.replace({ oif: index, ...routeSpec(entry), onlink: entry.onlink === true });
    case 'fdb':
      return await rt.fdb.replace({ index, ...fdbSpec(entry) });
    case 'neighbour':
      return await rt.neighbours.replace({ index, address: entry.address, mac: entry.mac });
  }
}

/** One that lost the route which the kernel made of it goes first: nothing else brings that back. */
async function putAddress(rt: RouteSocket, entry: AddressObject, index: number): Promise<void> {
  const add = () => rt.addresses.add({ index, ...split(entry), nodad: true });
  try {
    await add();
  } catch (error) {
    if (!(error instanceof NetlinkError && error.code === 'EEXIST')) throw error;
    if (connectedOf([entry.cidr], await routesOver(rt, index)).length > 0) return;
    await deleteEntry(rt, entry, index);
    await add();
  }
}

/** What is gone is a success. */
export async function deleteEntry(rt: RouteSocket, entry: Entry, index: number): Promise<void> {
  switch (entry.kind) {
    case 'address':
      return await tolerate(['EADDRNOTAVAIL', 'ENODEV'], rt.addresses.delete({ index, ...split(entry) }));
    case 'route':
      return await tolerate(['ESRCH', 'ENODEV'], rt.routes.delete({ oif: index, ...routeSpec(entry) }));
    case 'fdb':
      return await tolerate(['ENOENT', 'ENODEV'], rt.fdb.delete({ index, ...fdbSpec(entry) }));
    case 'neighbour':
      return await tolerate(['ENOENT', 'ENODEV', 'ENXIO'], rt.neighbours.delete({ index, address: entry.address }));
  }
}

/** One that differs is another rule to the kernel: it goes first. */
export async function putRule(rt: RouteSocket, rule: RuleObject): Promise<void> {
  await deleteRule(rt, rule);
  const { family, priority, mark, table, suppressPrefixLength: length } = rule;
  const suppressed = length === undefined ? {} : { suppressPrefixLength: length };
  await rt.rules.add({ family, priority, mark, table, ...suppressed, protocol: ROUTE_PROTOCOL });
}

export async function deleteRule(rt: RouteSocket, { family, priority }: RuleObject): Promise<void> {
  await tolerate(['ENOENT', 'ESRCH'], rt.rules.delete({ family, priority, protocol: ROUTE_PROTOCOL }));
}

/** A setting that this kernel does not have is not wrong. */
export function putSetting(handle: NamespaceHandle, setting: SysctlObject): void {
  if (settingOf(handle.namespace, setting.path) !== undefined)
    writeSysctl(handle.namespace, setting.path, setting.value);
}

function routeSpec({ destination, gateway, table }: RouteObject) {
  return { destination, gateway, protocol: ROUTE_PROTOCOL, ...(table === undefined ? {} : { table }) };
}

function fdbSpec(entry: FdbObject) {
  return { mac: entry.mac, via: entry.via, ...(entry.dst === null ? {} : { dst: entry.dst }) };
}

function split(entry: AddressObject): { address: string; prefix: number } {
  const parsed = parseInterfaceAddress(entry.cidr);
  if (!parsed) throw new WeftError('internal', `not an address: ${entry.cidr}`);
  return { address: formatAddress(parsed.address), prefix: parsed.cidr.prefix };
}

async function tolerate(codes: string[], work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!(error instanceof NetlinkError && codes.includes(error.code))) throw error;
  }
}
