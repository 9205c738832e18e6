/** The device by which frames enter and leave the overlay, port of a bridge or not. */
import { NetlinkError } from 'netlink-ts';
import { WeftError } from '../model/errors.ts';
import type { RelayObject, VxlanObject } from '../plan/objects.ts';
import { LINK_GROUP } from './link-group.ts';
import type { LinkContext } from './links.ts';
import { holderOf } from './vni-holder.ts';

type Device = VxlanObject | RelayObject;

/** Asked of a host socket: the device is made in the tenant's namespace, its UDP socket stays in the host's. */
export async function createVxlanDevice(context: LinkContext, vxlan: Device): Promise<void> {
  try {
    await context.host.rt.links.create({
      name: vxlan.name,
      kind: 'vxlan',
      mtu: vxlan.mtu,
      group: LINK_GROUP,
      netns: context.tenant.namespace.fd,
      vxlan: {
        id: vxlan.vni,
        local: vxlan.local,
        port: vxlan.udpPort,
        learning: false,
        ageing: 0,
      },
    });
  } catch (error) {
    if (!(error instanceof NetlinkError && error.code === 'EEXIST')) throw error;
    throw await vniTaken(context, vxlan, error);
  }
}

async function vniTaken(context: LinkContext, vxlan: Device, cause: unknown): Promise<WeftError> {
  const holder = await holderOf(vxlan, { host: context.host.rt, paths: context.namespacePaths() });
  const what = `VNI ${vxlan.vni} on UDP port ${vxlan.udpPort}`;
  return new WeftError('kernel-refused', `${what} is held by ${holder ?? 'a device in a namespace without a name'}`, {
    object: vxlan.name,
    cause,
    next: `remove the device, if it is not needed; find it with: ip -d link show type vxlan id ${vxlan.vni}`,
  });
}
