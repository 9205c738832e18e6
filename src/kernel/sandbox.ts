/** The container's end of an endpoint: its name, addresses and routes inside a namespace that is not ours. */
import { NetlinkError, openNamespace, RouteSocket } from 'netlink-ts';
import type { Namespace } from 'netlink-ts';
import { parseInterfaceAddress } from '../model/address/cidr.ts';
import { formatAddress } from '../model/address/address.ts';
import { WeftError } from '../model/errors.ts';
import type { PortPeer } from '../plan/objects.ts';

/** The most interfaces a container is given before weft stops looking for a free name. */
const NAMES = 64;

export interface Sandbox {
  namespace: Namespace;
  rt: RouteSocket;
  close(): void;
}

/** Throws `sandbox-gone`. */
export function openSandbox(path: string): Sandbox {
  try {
    const namespace = openNamespace(path);
    const rt = RouteSocket.open({ netns: namespace.fd });
    return {
      namespace,
      rt,
      close: () => {
        rt.close();
        namespace.close();
      },
    };
  } catch (error) {
    if (!(error instanceof NetlinkError)) throw error;
    throw new WeftError('sandbox-gone', `${path} is not a network namespace`, { object: path, cause: error });
  }
}

/** The wished name, or the next free one of its row: eth0, eth1 ... */
export async function freeName(sandbox: Sandbox, wished: string): Promise<string> {
  const used = new Set((await sandbox.rt.links.list()).map((link) => link.name));
  const stem = wished.replace(/\d+$/, '');
  const first = Number(/\d+$/.exec(wished)?.[0] ?? 0);
  for (let i = first; i < first + NAMES; i++) if (!used.has(`${stem}${i}`)) return `${stem}${i}`;
  throw new WeftError('kernel-refused', `the container has ${NAMES} interfaces called ${stem}N already`);
}

/** Addresses without duplicate detection: they are unique because the allocator made them so. */
export async function configure(sandbox: Sandbox, name: string, peer: PortPeer): Promise<void> {
  const { rt } = sandbox;
  const [lo, link] = [await rt.links.get({ name: 'lo' }), await rt.links.get({ name })];
  if (!link)
    throw new WeftError('sandbox-gone', `interface ${name} vanished while it was configured`, { object: name });
  if (lo && !lo.up) await rt.links.set({ index: lo.index, up: true });
  await rt.links.set({ index: link.index, up: true });
  for (const text of peer.addresses) {
    const own = parseInterfaceAddress(text);
    if (!own) continue;
    await rt.addresses.add({
      index: link.index,
      address: formatAddress(own.address),
      prefix: own.cidr.prefix,
      nodad: true,
    });
  }
  await addLinkRoutes(sandbox, link.index, peer);
  for (const gateway of peer.gateways) {
    const destination = gateway.includes(':') ? '::/0' : '0.0.0.0/0';
    await unlessThere(rt.routes.add({ destination, gateway, oif: link.index }));
  }
  for (const { destination, via } of peer.routes ?? []) {
    await unlessThere(rt.routes.add({ destination, gateway: via, oif: link.index }));
  }
}

/** To the network's other subnets, without a next hop. */
export async function addLinkRoutes(sandbox: Sandbox, index: number, peer: PortPeer): Promise<void> {
  for (const destination of peer.links ?? []) {
    await unlessThere(sandbox.rt.routes.add({ destination, oif: index }));
  }
}

/** A container on several networks keeps the default route, and every other one, of the first that has it. */
async function unlessThere(work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!(error instanceof NetlinkError && error.code === 'EEXIST')) throw error;
  }
}
