/**
 * A kernel that says what a test tells it to. It takes the place of the addon behind any socket or monitor of this package
 * (`{ kernel }` when opening), so that everything above the system calls is the real thing. It needs neither privileges
 * nor namespaces. Answers come in later turns of the event loop, in their order, as the kernel's do.
 */
import type { NamespaceReference } from '../namespace/namespace.ts';
import type { Kernel, KernelSocket, Receive } from '../socket/kernel.ts';
import { decodeMessages, encodeMessage, NLM_F_ACK } from '../wire/message.ts';
import type { Outgoing } from '../wire/message.ts';
import { FakeSocket } from './fake-socket.ts';
import { acknowledge } from './replies.ts';
import type { FakeRequest, Reply } from './replies.ts';

/** Called for each message, those of a batch one by one. What it throws, the request rejects with. */
export type Handler = (request: FakeRequest) => Reply | readonly Reply[];

/** Acknowledges whatever asks for it. */
export const contented: Handler = (request) => ((request.flags & NLM_F_ACK) === 0 ? [] : acknowledge(request));

export class FakeKernel implements Kernel {
  /** all that came, in its order */
  readonly requests: FakeRequest[] = [];
  readonly #handler: Handler;
  readonly #sockets = new Set<FakeSocket>();
  readonly #senders = new WeakMap<FakeRequest, FakeSocket>();

  constructor(handler: Handler = contented) {
    this.#handler = handler;
  }

  /** How many are open; 0 at the end of a test that closed all of them. */
  get sockets(): number {
    return this.#sockets.size;
  }

  open(protocol: number, netns: NamespaceReference, receive: Receive): KernelSocket {
    const socket = new FakeSocket({
      receive,
      closed: (closed) => this.#sockets.delete(closed),
      answering: (sender, datagram) =>
        decodeMessages(datagram).flatMap((message) => {
          const request: FakeRequest = { ...message, protocol, netns };
          this.requests.push(request);
          this.#senders.set(request, sender);
          return this.#handler(request);
        }),
    });
    this.#sockets.add(socket);
    return socket;
  }

  /** Answers a request later than its handler did. */
  reply(request: FakeRequest, ...replies: Reply[]): void {
    for (const reply of replies) this.#senders.get(request)?.deliver(reply);
  }

  /** An event for every monitor that joined the group (RTNLGRP_*, NFNLGRP_*). */
  multicast(group: number, { type, payload, flags = 0 }: Partial<Outgoing> & Pick<Outgoing, 'type' | 'payload'>): void {
    const datagram = encodeMessage({ type, payload, flags }, 0);
    for (const socket of this.#sockets) if (socket.groups.has(group)) socket.deliver({ datagram });
  }

  /** The same for every open socket: an overrun, garbage. */
  broadcast(reply: Reply): void {
    for (const socket of this.#sockets) socket.deliver(reply);
  }
}
