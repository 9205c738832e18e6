/** Frames put on a link as they are: for protocols without a socket of their own, such as ARP. */
import { named } from '../namespace/namespace.ts';
import type { Namespace } from '../namespace/namespace.ts';
import { addon } from '../socket/addon.ts';

/** `frame` begins with its Ethernet header and has at most 4,096 bytes; needs CAP_NET_RAW. Throws ENETDOWN for a link that is down. */
export function sendFrame(netns: Namespace | undefined, index: number, frame: Buffer): void {
  try {
    addon().sendFrame(netns?.fd ?? -1, index, frame);
  } catch (error) {
    throw named(`send a frame on link ${index}`, error);
  }
}
