/** Who has a VNI that this host wants: the kernel says only that it exists, wherever the device's socket stands. */
import { RouteSocket } from 'netlink-ts';
import type { Link } from 'netlink-ts';
import { tryOpen } from './namespaces.ts';

/** "vxlan7 in namespace PATH"; undefined when it is in a namespace that has no name here. */
export async function holderOf(
  vxlan: { vni: number; udpPort: number },
  look: { host: RouteSocket; paths: readonly string[] },
): Promise<string | undefined> {
  const holds = (link: Link) => link.vxlan?.id === vxlan.vni && link.vxlan.port === vxlan.udpPort;
  const here = (await look.host.links.list()).find(holds);
  if (here) return `${here.name} in the host's namespace`;
  for (const path of look.paths) {
    const found = (await linksIn(path)).find(holds);
    if (found) return `${found.name} in namespace ${path}`;
  }
  return undefined;
}

async function linksIn(path: string): Promise<Link[]> {
  const namespace = tryOpen(path);
  if (!namespace) return [];
  try {
    const rt = RouteSocket.open({ netns: namespace.fd });
    try {
      return await rt.links.list();
    } finally {
      rt.close();
    }
  } finally {
    namespace.close();
  }
}
