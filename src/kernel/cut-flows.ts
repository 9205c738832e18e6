/** Connections of a tenant to the outside whose way has changed: they would go on by the old one, or with no address at all. */
import { ConntrackSocket, IPS_DST_NAT } from 'netlink-ts';
import type { Namespace } from 'netlink-ts';
import { parseAddress } from '../model/address/address.ts';
import { contains, parseCidr } from '../model/address/cidr.ts';

/** Flows that were begun from one of the ranges (CIDR text); what came in by a published port stays. */
export async function cutFlows(namespace: Namespace, ranges: readonly string[]): Promise<void> {
  const sources = ranges.flatMap((text) => parseCidr(text) ?? []);
  const socket = ConntrackSocket.open({ netns: namespace.fd });
  try {
    for (const flow of await socket.list()) {
      const source = parseAddress(flow.original.source);
      const ours = source && sources.some((range) => range.family === source.family && contains(range, source));
      if (ours && (flow.status & IPS_DST_NAT) === 0) await socket.delete(flow);
    }
  } finally {
    socket.close();
  }
}
