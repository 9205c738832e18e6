/**
 * The packets of one log group of a namespace. The socket that binds the group is the one that gets its packets, so both
 * happen on one here: it sends a single message, and everything after the answer is packets.
 */
import { DecodeError, NetlinkError, OutcomeUnknownError } from '../errors.ts';
import { named } from '../namespace/namespace.ts';
import { connect } from '../socket/connection.ts';
import type { SocketOptions } from '../socket/connection.ts';
import { EventQueue } from '../socket/monitor.ts';
import type { MonitorEvent } from '../socket/monitor.ts';
import { NETLINK_NETFILTER } from '../socket/socket.ts';
import { unlessAborted } from '../socket/window.ts';
import { decodeAcknowledgement } from '../wire/acknowledgement.ts';
import { decodeMessages, encodeMessage, NLM_F_ACK, NLM_F_REQUEST, NLMSG_ERROR } from '../wire/message.ts';
import { encodeLogConfiguration, NFULNL_MSG_CONFIG } from './configuration.ts';
import type { LogConfiguration } from './configuration.ts';
import { decodePacket, NFULNL_MSG_PACKET } from './packet.ts';
import type { LoggedPacket } from './packet.ts';

const SEQUENCE = 1;
const DEADLINE = 5_000;

export type PacketLogEvent =
  | { kind: 'packet'; packet: LoggedPacket }
  /** packets were missed, in the kernel or because nobody read those that wait: at most 4,096 */
  | { kind: 'overrun' };

export interface PacketLogOptions extends LogConfiguration, SocketOptions {
  signal: AbortSignal;
  /** milliseconds for binding the group; 5,000 when left out */
  deadline?: number;
}

/**
 * The group is bound when this resolves; iterate once; ends with the signal, and the group is free soon after. Rejects with
 * EPERM when another socket has the group, or without CAP_NET_ADMIN in the namespace.
 */
export async function openPacketLog(options: PacketLogOptions): Promise<AsyncGenerator<PacketLogEvent>> {
  const { signal } = options;
  signal.throwIfAborted();
  const op = `bind log group ${options.group}`;
  const request = {
    type: NFULNL_MSG_CONFIG,
    flags: NLM_F_REQUEST | NLM_F_ACK,
    payload: encodeLogConfiguration(options),
  };
  const queue = new EventQueue();
  const binding = new Binding(op, options.deadline ?? DEADLINE);
  const socket = connect({ ...options, protocol: NETLINK_NETFILTER }, (datagram) => {
    if (!datagram) {
      queue.overrun();
      return;
    }
    // Packets may have come together with the answer.
    binding.read(datagram);
    queue.push(datagram);
  });
  const end = () => {
    socket.close();
    queue.end();
  };
  try {
    socket.send(encodeMessage(request, SEQUENCE));
    await unlessAborted(binding.done, signal);
  } catch (error) {
    end();
    throw named(op, error);
  } finally {
    binding.stop();
  }
  if (signal.aborted) end();
  else signal.addEventListener('abort', end, { once: true });
  return decodeEvents(queue);
}

/** The one answer that is waited for. */
class Binding {
  readonly done: Promise<void>;
  readonly #op: string;
  readonly #timer: NodeJS.Timeout;
  #settle: ((error?: Error) => void) | undefined;

  constructor(op: string, deadline: number) {
    this.#op = op;
    this.done = new Promise((resolve, reject) => {
      this.#settle = (error) => (error ? reject(error) : resolve());
    });
    this.#timer = setTimeout(
      () => this.#settle?.(new OutcomeUnknownError(op, `no answer within ${deadline} ms`)),
      deadline,
    );
    // Nobody waits any more when the caller gave up first.
    this.done.catch(() => undefined);
  }

  read(datagram: Buffer): void {
    if (!this.#settle) return;
    const answer = messagesOf(datagram).find(({ type, sequence }) => type === NLMSG_ERROR && sequence === SEQUENCE);
    if (!answer) return;
    const { errno, kernelMessage } = decodeAcknowledgement(answer);
    this.#settle(errno === 0 ? undefined : new NetlinkError({ op: this.#op, errno, kernelMessage }));
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#settle = undefined;
  }
}

function messagesOf(datagram: Buffer): ReturnType<typeof decodeMessages> {
  try {
    return decodeMessages(datagram);
  } catch (error) {
    // The queue makes an overrun of it.
    if (error instanceof DecodeError) return [];
    throw error;
  }
}

async function* decodeEvents(events: AsyncIterable<MonitorEvent>): AsyncGenerator<PacketLogEvent> {
  for await (const event of events) {
    if (event.kind === 'overrun') yield event;
    // Packets that were gathered come with NLMSG_DONE after them.
    else if (event.message.type === NFULNL_MSG_PACKET) yield readable(event.message.payload);
  }
}

/** A packet that cannot be read is a missed one. */
function readable(payload: Buffer): PacketLogEvent {
  try {
    return { kind: 'packet', packet: decodePacket(payload) };
  } catch (error) {
    if (error instanceof DecodeError) return { kind: 'overrun' };
    throw error;
  }
}
