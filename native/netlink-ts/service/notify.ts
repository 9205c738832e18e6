/** sd_notify(3): Node has no unix datagram sockets of its own. */
import { named } from '../namespace/namespace.ts';
import { addon } from '../socket/addon.ts';

/** Sends `KEY=VALUE` lines to the socket of $NOTIFY_SOCKET. Throws NetlinkError when nobody listens there. */
export function notifyService(socketPath: string, fields: Record<string, string>): void {
  const message = Object.entries(fields)
    .map(([key, value]) => `${key}=${value.replaceAll('\n', ' ')}`)
    .join('\n');
  try {
    addon().notify(socketPath, message);
  } catch (error) {
    throw named(`notify ${socketPath}`, error);
  }
}
