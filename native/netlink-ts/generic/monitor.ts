/** Multicast of one generic family, on a socket of its own. */
import { DecodeError, NetlinkError } from '../errors.ts';
import { openMonitor } from '../socket/monitor.ts';
import type { MonitorEvent } from '../socket/monitor.ts';
import { NETLINK_GENERIC } from '../socket/socket.ts';
import type { SocketOptions } from '../socket/socket.ts';
import { GenericSocket } from './generic-socket.ts';
import { decodeGeneric } from './header.ts';
import type { GenericMessage } from './header.ts';

const ENOENT = 2;

export type GenericEvent =
  | { kind: 'message'; message: GenericMessage }
  /** something was missed: read again */
  | { kind: 'overrun' };

/** Subscribed when this resolves; ends with the signal. ENOENT when the family or one of its groups is not there. */
export async function monitorGeneric(
  options: SocketOptions & {
    /** its name: "ethtool" */
    family: string;
    /** their names: "monitor" */
    groups: string[];
    signal: AbortSignal;
  },
): Promise<AsyncGenerator<GenericEvent>> {
  const { signal } = options;
  const socket = GenericSocket.open(options);
  try {
    const family = await socket.family(options.family, { signal });
    const groups = options.groups.map((name) => {
      const found = family.groups.find((group) => group.name === name);
      if (found) return found.id;
      const op = `join group ${name} of generic family ${family.name}`;
      throw new NetlinkError({ op, errno: ENOENT, kernelMessage: '' });
    });
    return decodeEvents(openMonitor({ ...options, protocol: NETLINK_GENERIC, groups }), family.id);
  } finally {
    socket.close();
  }
}

async function* decodeEvents(events: AsyncIterable<MonitorEvent>, family: number): AsyncGenerator<GenericEvent> {
  for await (const event of events) {
    if (event.kind === 'overrun') yield event;
    else if (event.message.type === family) yield readable(event.message.payload);
  }
}

/** An event that cannot be read is a missed one. */
function readable(payload: Buffer): GenericEvent {
  try {
    return { kind: 'message', message: decodeGeneric(payload) };
  } catch (error) {
    if (error instanceof DecodeError) return { kind: 'overrun' };
    throw error;
  }
}
