/** Making, changing and removing the links of a tenant's namespace. */
import { NetlinkError } from 'netlink-ts';
import type { Namespace, RouteSocket } from 'netlink-ts';
import { WeftError } from '../model/errors.ts';
import type { BridgeObject, LinkObject, PortFlags, PortObject, PortPeer, VxlanObject } from '../plan/objects.ts';
import type { NamespaceHandle } from './namespaces.ts';
import { tryOpen } from './namespaces.ts';
import { LINK_GROUP } from './link-group.ts';
import { configure, freeName, openSandbox } from './sandbox.ts';
import { createVxlanDevice } from './vxlan-device.ts';
import { createUplink, settleEnd } from './uplinks.ts';

export interface LinkContext {
  tenant: NamespaceHandle;
  host: { namespace: Namespace; rt: RouteSocket };
  /** whether the endpoint's container had its interface before: then it is put back there, not handed over again */
  rebuild: (endpoint: string) => boolean;
  /** files of the tenants' namespaces */
  namespacePaths: () => string[];
}

export async function createLink(context: LinkContext, link: LinkObject): Promise<void> {
  switch (link.kind) {
    case 'bridge':
      return await createBridge(context, link);
    case 'vxlan':
      return await createVxlan(context, link);
    case 'port':
      return await createPort(context, link);
    case 'relay':
      await createVxlanDevice(context, link);
      return await settle(context, link);
    case 'uplink':
      await createUplink(context, link);
      return await settle(context, link);
  }
}

/** Idempotent: brings a link that stands to all that can be changed; the alias comes last and says that it is finished. */
export async function settle(context: Pick<LinkContext, 'tenant' | 'host'>, link: LinkObject): Promise<void> {
  const { rt } = context.tenant;
  const index = await indexOf(rt, link.name);
  // The host's address may change: the device keeps its entries (kernel 4.13).
  if (link.kind === 'vxlan' || link.kind === 'relay') await rt.links.set({ index, vxlan: { local: link.local } });
  if (link.kind === 'uplink') {
    await settleEnd(context.host, link.end);
    await rt.links.set({ index, mtu: link.mtu, addrGenMode: 1 });
  } else if (link.kind === 'relay') {
    // It speaks for nobody, and so has no address.
    await rt.links.set({ index, address: link.mac, mtu: link.mtu, addrGenMode: 1 });
  } else if (link.kind === 'bridge') {
    await rt.links.set({ index, address: link.mac, mtu: link.mtu, bridge: { mcastSnooping: link.mcastSnooping } });
  } else {
    const master = await indexOf(rt, link.bridge);
    // Ports speak for nobody: no link-local address of their own.
    await rt.links.set({ index, mtu: link.mtu, master, bridgePort: flagsOf(link.flags), addrGenMode: 1 });
  }
  await rt.links.set({ index, up: link.up, alias: link.alias });
}

export async function deleteLink(rt: RouteSocket, name: string): Promise<void> {
  try {
    await rt.links.delete({ name });
  } catch (error) {
    if (!(error instanceof NetlinkError && error.code === 'ENODEV')) throw error;
  }
}

async function createBridge(context: LinkContext, bridge: BridgeObject): Promise<void> {
  await context.tenant.rt.links.create({
    name: bridge.name,
    kind: 'bridge',
    address: bridge.mac,
    mtu: bridge.mtu,
    group: LINK_GROUP,
    bridge: { mcastSnooping: bridge.mcastSnooping },
  });
  await settle(context, bridge);
}

async function createVxlan(context: LinkContext, vxlan: VxlanObject): Promise<void> {
  await createVxlanDevice(context, vxlan);
  await settle(context, vxlan);
}

async function createPort(context: LinkContext, port: PortObject): Promise<void> {
  const { peer } = port;
  if (!peer) throw new WeftError('internal', `port ${port.name} has no other end to make`);
  if (peer.handover !== null && !(context.rebuild(peer.endpoint) && sandboxStands(peer.sandbox))) {
    await createForEngine(context, port, { ...peer, handover: peer.handover });
  } else {
    await createInSandbox(context, port, peer);
  }
  try {
    await settle(context, port);
  } catch (error) {
    await deleteLink(context.tenant.rt, port.name);
    throw bridgeFull(error, port) ?? error;
  }
}

function sandboxStands(path: string): boolean {
  const namespace = tryOpen(path);
  namespace?.close();
  return namespace !== undefined;
}

/** The other end waits in the host's namespace; one that is left over from before has lost its own end and goes. */
async function createForEngine(
  context: LinkContext,
  port: PortObject,
  peer: PortPeer & { handover: string },
): Promise<void> {
  const left = await context.host.rt.links.get({ name: peer.handover });
  if (left?.group === LINK_GROUP) await deleteLink(context.host.rt, peer.handover);
  await createPair(context, port, peer, { name: peer.handover, netns: context.host.namespace.fd, group: LINK_GROUP });
}

async function createInSandbox(context: LinkContext, port: PortObject, peer: PortPeer): Promise<void> {
  const sandbox = openSandbox(peer.sandbox);
  try {
    const name = await freeName(sandbox, peer.ifname);
    await createPair(context, port, peer, { name, netns: sandbox.namespace.fd });
    try {
      await configure(sandbox, name, peer);
    } catch (error) {
      await deleteLink(context.tenant.rt, port.name);
      throw error;
    }
  } finally {
    sandbox.close();
  }
}

async function createPair(
  context: LinkContext,
  port: PortObject,
  peer: PortPeer,
  other: { name: string; netns: number; group?: number },
): Promise<void> {
  await context.tenant.rt.links.create({
    name: port.name,
    kind: 'veth',
    mtu: port.mtu,
    group: LINK_GROUP,
    peer: { ...other, address: peer.mac, mtu: peer.mtu },
  });
}

/** EXFULL: a bridge holds 1,023 ports. */
function bridgeFull(error: unknown, port: PortObject): WeftError | undefined {
  if (!(error instanceof NetlinkError && error.code === 'E54')) return undefined;
  return new WeftError('bridge-full', `bridge ${port.bridge} has no room for another port`, {
    object: port.bridge,
    cause: error,
  });
}

export async function indexOf(rt: RouteSocket, name: string): Promise<number> {
  const link = await rt.links.get({ name });
  if (link) return link.index;
  throw new WeftError('kernel-refused', `link ${name} is not there`, { object: name });
}

function flagsOf(flags: PortFlags) {
  return {
    learning: flags.learning,
    neighSuppress: flags.neighSuppress,
    unicastFlood: flags.unicastFlood,
    mcastFlood: flags.mcastFlood,
    bcastFlood: flags.bcastFlood,
  };
}
