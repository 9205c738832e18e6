/**
 * A netlink socket for requests. Requests are pipelined within a window, so that acknowledgements always fit the receive
 * buffer; dumps go one at a time, as the kernel demands, and are repeated when the kernel says that what they walked
 * changed under them. Multicast belongs on a socket of its own (monitor.ts).
 */
import { NetlinkError, OutcomeUnknownError } from '../errors.ts';
import { named } from '../namespace/namespace.ts';
import { encodeMessage, NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST } from '../wire/message.ts';
import type { NetlinkMessage, Outgoing } from '../wire/message.ts';
import { Answers } from './answers.ts';
import type { Answer } from './answers.ts';
import { connect } from './connection.ts';
import type { OpenOptions } from './connection.ts';
import type { KernelSocket } from './kernel.ts';
import { patience } from './patience.ts';
import type { WaitOptions } from './patience.ts';
import { unlessAborted, Window } from './window.ts';

export { NETLINK_GENERIC, NETLINK_NETFILTER, NETLINK_ROUTE } from '../wire/protocol.ts';
export type { OpenOptions, SocketOptions } from './connection.ts';

/** Answers of this many requests fit the smallest receive buffer (measured: 256 with the default one). */
const WINDOW = 32;
const DUMP_ATTEMPTS = 5;
const EINTR = 4;
const LAST_SEQUENCE = 0xfffffff0;

export interface RequestOptions extends WaitOptions {
  /** ends the wait: with its own reason before the request is sent, with OutcomeUnknownError afterwards */
  signal?: AbortSignal;
  /** milliseconds from when it is sent; 5,000 when left out */
  deadline?: number;
  /** what is being asked, for errors: "create link wb7" */
  op?: string;
}

/** What goes out in one datagram, and what answers it. */
interface Work<T> {
  op: string;
  bytes: Buffer;
  sequences: number[];
  answers: Promise<T>;
  isDump: boolean;
}

export class NetlinkSocket {
  readonly #kernel: KernelSocket;
  readonly #answers = new Answers();
  readonly #window = new Window(WINDOW);
  #closed = false;
  #held = false;
  #sequence = 1;
  #dumps: Promise<unknown> = Promise.resolve();
  /** the dump that was asked for last, over only when the kernel has said so, whether or not anybody waits for it */
  #lastDump: Promise<void> = Promise.resolve();

  private constructor(options: OpenOptions) {
    this.#kernel = connect(options, (datagram, errno) => this.#answers.receive(datagram, errno));
    this.#kernel.hold(false);
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
    // Who comes next waits for those before too: this one may give up while it waits for them. Without a value, which would
    // hold that of the one before, and so those of all.
    this.#dumps = Promise.all([before, own]).then(() => undefined);
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
    if (!this.#window.tryEnter()) await this.#window.enter(options.signal);
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
        const answer = this.#answers.expect(sequence, { op, index });
        ((message.flags & NLM_F_ACK) === 0 ? refusals : acknowledged).push(answer);
      });
      const answers = Promise.race([Promise.all(acknowledged), ...refusals]);
      await this.#finish({ op, bytes: Buffer.concat(parts), sequences, answers, isDump: false }, options);
    } finally {
      this.#leave();
    }
  }

  /** Ends every request in flight with OutcomeUnknownError. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#kernel.close();
    this.#answers.failAll((op) => new OutcomeUnknownError(op, 'the socket was closed'));
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Messages whose answer may still come. */
  get pending(): number {
    return this.#answers.size;
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
      errno: EINTR,
      kernelMessage: `changed under each of ${DUMP_ATTEMPTS} dumps`,
    });
  }

  /**
   * One socket has one dump at a time: until an abandoned one is over, the kernel refuses the next with EBUSY. Whoever
   * waited in vain asks all the same, and hears what the kernel says.
   */
  async #drained(options: RequestOptions): Promise<void> {
    options.signal?.throwIfAborted();
    await new Promise<void>((resolve) => {
      const end = patience(options, () => resolve());
      void this.#lastDump.then(() => {
        end();
        resolve();
      });
    });
  }

  async #exchange(message: Outgoing, options: RequestOptions, isDump = false): Promise<Answer> {
    if (!this.#window.tryEnter()) await this.#window.enter(options.signal);
    try {
      const op = options.op ?? `request ${message.type}`;
      const sequence = this.#next();
      const answers = this.#answers.expect(sequence, { op }, isDump ? this.#beginDump() : undefined);
      const bytes = encodeMessage(message, sequence);
      return await this.#finish({ op, bytes, sequences: [sequence], answers, isDump }, options);
    } finally {
      this.#leave();
    }
  }

  /** Whoever dumps next waits until what this returns is called. */
  #beginDump(): () => void {
    let over: (() => void) | undefined;
    this.#lastDump = new Promise<void>((resolve) => {
      over = resolve;
    });
    return () => over?.();
  }

  /** Sends, and waits for the answers, the deadline or the signal, whichever comes first. */
  async #finish<T>(work: Work<T>, options: RequestOptions): Promise<T> {
    const { op } = work;
    const abandon = (why: string, drain = false) => {
      const error = new OutcomeUnknownError(op, why);
      for (const sequence of work.sequences) this.#answers.abandon(sequence, error, drain);
    };
    let end: (() => void) | undefined;
    try {
      // Given up while it waited for its place in the window: nothing was sent, and the outcome is known.
      options.signal?.throwIfAborted();
      this.#send(work);
      end = patience(options, (why) => abandon(why, work.isDump));
      const answer = await work.answers;
      // Of a batch, those that would have been answered by a refusal only.
      for (const sequence of work.sequences) this.#answers.forget(sequence);
      return answer;
    } catch (error) {
      // Of a batch, the others may still be pending; of what was not sent, everything is.
      if (!end || !work.isDump) abandon('nobody waits for it');
      throw error;
    } finally {
      end?.();
    }
  }

  #send({ op, bytes }: Pick<Work<unknown>, 'op' | 'bytes'>): void {
    if (this.#closed) throw new OutcomeUnknownError(op, 'the socket was closed');
    try {
      this.#hold(true);
      this.#kernel.send(bytes);
    } catch (error) {
      throw named(op, error);
    }
  }

  #leave(): void {
    this.#window.leave();
    if (this.#window.empty && !this.#closed) this.#hold(false);
  }

  /** An idle socket does not keep the process alive. */
  #hold(hold: boolean): void {
    if (hold !== this.#held) this.#kernel.hold(hold);
    this.#held = hold;
  }

  #next(): number {
    this.#sequence = this.#sequence >= LAST_SEQUENCE ? 1 : this.#sequence + 1;
    return this.#sequence;
  }
}
