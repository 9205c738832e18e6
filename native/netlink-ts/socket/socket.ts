/**
 * A netlink socket for requests. Requests are pipelined within a window, so that acknowledgements always fit the receive
 * buffer; dumps go one at a time, as the kernel demands, and are repeated when the kernel says that what they walked
 * changed under them. Multicast belongs on a socket of its own (monitor.ts).
 */
import { NetlinkError, OutcomeUnknownError, OverrunError } from '../errors.ts';
import { named, openNamespace } from '../namespace/namespace.ts';
import type { NamespaceReference } from '../namespace/namespace.ts';
import { decodeAcknowledgement, decodeDone } from '../wire/acknowledgement.ts';
import {
  decodeMessages,
  encodeMessage,
  NLM_F_ACK,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLM_F_MULTI,
  NLM_F_REQUEST,
  NLMSG_DONE,
  NLMSG_ERROR,
  NLMSG_NOOP,
} from '../wire/message.ts';
import type { NetlinkMessage, Outgoing } from '../wire/message.ts';
import { addon } from './addon.ts';
import type { SocketHandle } from './addon.ts';
import { unlessAborted, Window } from './window.ts';

export const NETLINK_ROUTE = 0;
export const NETLINK_NETFILTER = 12;
export const NETLINK_GENERIC = 16;

/** Answers of this many requests fit the smallest receive buffer (measured: 256 with the default one). */
const WINDOW = 32;
const DUMP_ATTEMPTS = 5;
const DEADLINE = 5_000;
const ENOBUFS = 105;

export interface OpenOptions {
  protocol: number;
  netns?: NamespaceReference;
}

export interface RequestOptions {
  /** ends the wait: with its own reason before the request is sent, with OutcomeUnknownError afterwards */
  signal?: AbortSignal;
  /** milliseconds from when it is sent; 5,000 when left out */
  deadline?: number;
  /** what is being asked, for errors: "create link wb7" */
  op?: string;
}

interface Pending {
  op: string;
  messages: NetlinkMessage[];
  interrupted: boolean;
  /** nobody waits for it any more, but the kernel is not done with it */
  abandoned: boolean;
  settle: (error: Error | undefined) => void;
}

export class NetlinkSocket {
  #handle: SocketHandle | undefined;
  #sequence = 1;
  readonly #pending = new Map<number, Pending>();
  readonly #window = new Window(WINDOW);
  #dumps: Promise<unknown> = Promise.resolve();
  /** the dump that was asked for last, over only when the kernel has said so, whether or not anybody waits for it */
  #lastDump: Promise<unknown> = Promise.resolve();

  private constructor(options: OpenOptions) {
    const receive = (datagram: Buffer | null, errno: number) => this.#receive(datagram, errno);
    this.#handle = openHandle(options, receive);
    addon().hold(this.#handle, false);
  }

  /** Throws NetlinkError: EPERM, EPROTONOSUPPORT, or what opening the namespace says. */
  static open(options: OpenOptions): NetlinkSocket {
    return new NetlinkSocket(options);
  }

  /** The messages that answered, without the acknowledgement. Rejects with NetlinkError or OutcomeUnknownError. */
  async request(message: Outgoing, options: RequestOptions = {}): Promise<NetlinkMessage[]> {
    const flags = message.flags | NLM_F_REQUEST | NLM_F_ACK;
    const { messages } = await this.#exchange({ ...message, flags }, options);
    return messages;
  }

  /** All parts of a dump, once it was consistent; EINTR after five inconsistent ones. */
  async dump(message: Outgoing, options: RequestOptions = {}): Promise<NetlinkMessage[]> {
    const before = this.#dumps;
    let over: (() => void) | undefined;
    const own = new Promise<void>((resolve) => {
      over = resolve;
    });
    // Who comes next waits for those before too: this one may give up while it waits for them.
    this.#dumps = Promise.all([before, own]);
    try {
      await unlessAborted(before, options.signal);
      return await this.#dumpNow(message, options);
    } finally {
      over?.();
    }
  }

  /**
   * Several messages in one datagram, as nfnetlink's transactions want them. Resolves when every message that asked for
   * an acknowledgement has it; rejects with the first refusal, its `index` in the batch.
   */
  async batch(messages: Outgoing[], options: RequestOptions = {}): Promise<void> {
    const op = options.op ?? 'batch';
    await this.#window.enter(options.signal);
    try {
      const parts: Buffer[] = [];
      const acknowledged: Promise<unknown>[] = [];
      const refusals: Promise<unknown>[] = [];
      const sequences: number[] = [];
      messages.forEach((message, index) => {
        const sequence = this.#next();
        parts.push(encodeMessage({ ...message, flags: message.flags | NLM_F_REQUEST }, sequence));
        sequences.push(sequence);
        // A message that asked for no acknowledgement is answered only when it is refused.
        const answer = this.#expect(sequence, `${op} [${index}]`);
        ((message.flags & NLM_F_ACK) === 0 ? refusals : acknowledged).push(answer);
      });
      const answers = Promise.race([Promise.all(acknowledged), ...refusals]);
      await this.#finish(Buffer.concat(parts), { op, sequences, answers }, options);
    } finally {
      this.#leave();
    }
  }

  /** Ends every request in flight with OutcomeUnknownError. Idempotent. */
  close(): void {
    if (!this.#handle) return;
    addon().close(this.#handle);
    this.#handle = undefined;
    this.#failAll((op) => new OutcomeUnknownError(op, 'the socket was closed'));
  }

  get closed(): boolean {
    return this.#handle === undefined;
  }

  async #dumpNow(message: Outgoing, options: RequestOptions): Promise<NetlinkMessage[]> {
    for (let attempt = 0; attempt < DUMP_ATTEMPTS; attempt++) {
      await this.#drained(options);
      const flags = message.flags | NLM_F_REQUEST | NLM_F_DUMP;
      const { messages, interrupted } = await this.#exchange({ ...message, flags }, options, true);
      if (!interrupted) return messages;
    }
    throw new NetlinkError({
      op: options.op ?? `dump ${message.type}`,
      errno: 4,
      kernelMessage: `changed under each of ${DUMP_ATTEMPTS} dumps`,
    });
  }

  /** One socket has one dump at a time: until an abandoned one is over, the kernel refuses the next with EBUSY. */
  async #drained(options: RequestOptions): Promise<void> {
    options.signal?.throwIfAborted();
    const limit = new AbortController();
    const late = new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, options.deadline ?? DEADLINE);
      limit.signal.addEventListener('abort', () => clearTimeout(timer));
      options.signal?.addEventListener('abort', () => resolve(), { once: true, signal: limit.signal });
    });
    await Promise.race([this.#lastDump, late]);
    limit.abort();
  }

  async #exchange(message: Outgoing, options: RequestOptions, isDump = false): Promise<Pending> {
    await this.#window.enter(options.signal);
    try {
      const op = options.op ?? `request ${message.type}`;
      const sequence = this.#next();
      const answer = this.#expect(sequence, op);
      const work = { op, sequences: [sequence], answers: answer, isDump };
      if (isDump) this.#lastDump = answer.catch(() => undefined);
      await this.#finish(encodeMessage(message, sequence), work, options);
      return await answer;
    } finally {
      this.#leave();
    }
  }

  #expect(sequence: number, op: string): Promise<Pending> {
    const answer = new Promise<Pending>((resolve, reject) => {
      const pending: Pending = {
        op,
        messages: [],
        interrupted: false,
        abandoned: false,
        settle: (error) => {
          this.#pending.delete(sequence);
          if (error) reject(error);
          else resolve(pending);
        },
      };
      this.#pending.set(sequence, pending);
    });
    // Whoever waits sees the rejection; when the wait ended before, nobody does, and that is no fault.
    answer.catch(() => undefined);
    return answer;
  }

  /** Sends, and waits for the answers, the deadline or the signal, whichever comes first. */
  async #finish(
    bytes: Buffer,
    work: { op: string; sequences: number[]; answers: Promise<unknown>; isDump?: boolean },
    options: RequestOptions,
  ): Promise<void> {
    const limit = new AbortController();
    let sent = false;
    const giveUp = new Promise<never>((_, reject) => {
      const after = options.deadline ?? DEADLINE;
      const timer = setTimeout(() => reject(new OutcomeUnknownError(work.op, `no answer within ${after} ms`)), after);
      const onAbort = () => reject(new OutcomeUnknownError(work.op, 'the caller gave up'));
      options.signal?.addEventListener('abort', onAbort, { once: true });
      limit.signal.addEventListener('abort', () => {
        clearTimeout(timer);
        options.signal?.removeEventListener('abort', onAbort);
      });
    });
    try {
      // Given up while it waited for its place in the window: nothing was sent, and the outcome is known.
      options.signal?.throwIfAborted();
      this.#send(bytes, work.op);
      sent = true;
      await Promise.race([work.answers, giveUp]);
    } finally {
      limit.abort();
      for (const sequence of work.sequences) this.#abandon(sequence, sent && work.isDump === true);
    }
  }

  #abandon(sequence: number, drain: boolean): void {
    const pending = this.#pending.get(sequence);
    if (!pending) return;
    if (drain) {
      pending.abandoned = true;
      pending.messages = [];
    } else {
      pending.settle(new OutcomeUnknownError(pending.op, 'nobody waits for it'));
    }
  }

  #send(bytes: Buffer, op: string): void {
    if (!this.#handle) throw new OutcomeUnknownError(op, 'the socket was closed');
    try {
      addon().hold(this.#handle, true);
      addon().send(this.#handle, bytes);
    } catch (error) {
      throw named(op, error);
    }
  }

  #receive(datagram: Buffer | null, errno: number): void {
    if (!datagram) {
      if (errno === ENOBUFS) this.#failAll((op) => new OverrunError(op));
      else this.#failAll((op) => new NetlinkError({ op, errno, kernelMessage: 'receive' }));
      return;
    }
    let messages: NetlinkMessage[];
    try {
      messages = decodeMessages(datagram);
    } catch (error) {
      this.#failAll((op) => new OutcomeUnknownError(op, error instanceof Error ? error.message : 'garbled answer'));
      return;
    }
    for (const message of messages) this.#accept(message);
  }

  #accept(message: NetlinkMessage): void {
    const pending = this.#pending.get(message.sequence);
    if (!pending || message.type === NLMSG_NOOP) return;
    if ((message.flags & NLM_F_DUMP_INTR) !== 0 && (message.flags & NLM_F_MULTI) !== 0) pending.interrupted = true;
    if (message.type !== NLMSG_ERROR && message.type !== NLMSG_DONE) {
      if (!pending.abandoned) pending.messages.push(message);
      return;
    }
    const answer = message.type === NLMSG_ERROR ? decodeAcknowledgement(message) : decodeDone(message);
    pending.settle(answer.errno === 0 ? undefined : refusal(pending.op, answer));
  }

  #failAll(reason: (op: string) => Error): void {
    for (const pending of [...this.#pending.values()]) pending.settle(reason(pending.op));
  }

  /** An idle socket does not keep the process alive. */
  #leave(): void {
    this.#window.leave();
    if (this.#window.empty && this.#handle) addon().hold(this.#handle, false);
  }

  #next(): number {
    this.#sequence = this.#sequence >= 0xfffffff0 ? 1 : this.#sequence + 1;
    return this.#sequence;
  }
}

function refusal(
  op: string,
  answer: { errno: number; kernelMessage: string; offset: number | undefined },
): NetlinkError {
  const index = /\[(\d+)\]$/.exec(op)?.[1];
  return new NetlinkError({
    op,
    errno: answer.errno,
    kernelMessage: answer.kernelMessage,
    ...(answer.offset === undefined ? {} : { offset: answer.offset }),
    ...(index === undefined ? {} : { index: Number(index) }),
  });
}

/** Opens in the namespace named by a path, which is held only for the opening: a socket keeps its namespace itself. */
export function openHandle(
  options: OpenOptions,
  receive: (datagram: Buffer | null, errno: number) => void,
): SocketHandle {
  const netns = typeof options.netns === 'string' ? openNamespace(options.netns) : undefined;
  const fd = netns?.fd ?? (typeof options.netns === 'number' ? options.netns : -1);
  try {
    return addon().open(options.protocol, fd, receive);
  } catch (error) {
    throw named(`open netlink socket of protocol ${options.protocol}`, error);
  } finally {
    netns?.close();
  }
}
