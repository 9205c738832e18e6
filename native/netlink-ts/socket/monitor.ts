/** Multicast on a socket of its own: an event says that something changed, an overrun that something was missed. */
import { decodeMessages } from '../wire/message.ts';
import type { NetlinkMessage } from '../wire/message.ts';
import { connect } from './connection.ts';
import type { OpenOptions } from './connection.ts';

export type MonitorEvent = { kind: 'message'; message: NetlinkMessage } | { kind: 'overrun' };

/** Events kept for a reader that is busy; more is an overrun, like the kernel's own. */
const QUEUE = 4_096;

export interface MonitorOptions extends OpenOptions {
  /** RTNLGRP_*, NFNLGRP_* */
  groups: number[];
  signal: AbortSignal;
}

/** The socket is open and subscribed when this returns; iterate once; ends when the signal is aborted. */
export function openMonitor(options: MonitorOptions): AsyncIterable<MonitorEvent> {
  const queue = new EventQueue();
  const socket = connect(options, (datagram) => {
    if (!datagram) queue.overrun();
    else queue.push(datagram);
  });
  const end = () => {
    socket.close();
    queue.end();
  };
  try {
    for (const group of options.groups) socket.join(group);
  } catch (error) {
    end();
    throw error;
  }
  if (options.signal.aborted) end();
  else options.signal.addEventListener('abort', end, { once: true });
  return queue;
}

export class EventQueue implements AsyncIterable<MonitorEvent> {
  #events: MonitorEvent[] = [];
  #wake: (() => void) | undefined;
  #ended = false;

  push(datagram: Buffer): void {
    try {
      for (const message of decodeMessages(datagram)) this.#add({ kind: 'message', message });
    } catch {
      // Garbled events are missed events.
      this.overrun();
    }
  }

  /** What waits is worth nothing once something was missed: the reader has to look again anyway. */
  overrun(): void {
    this.#events = [];
    this.#add({ kind: 'overrun' });
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  #add(event: MonitorEvent): void {
    if (this.#events.length >= QUEUE) this.overrun();
    else this.#events.push(event);
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<MonitorEvent> {
    for (;;) {
      const events = this.#events;
      this.#events = [];
      yield* events;
      if (this.#ended) return;
      if (this.#events.length === 0) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        this.#wake = undefined;
      }
    }
  }
}
