/** Which answer belongs to which request: by sequence number, until an acknowledgement or the end of a dump. */
import { NetlinkError, OutcomeUnknownError, OverrunError } from '../errors.ts';
import { decodeAcknowledgement, decodeDone } from '../wire/acknowledgement.ts';
import type { Acknowledgement } from '../wire/acknowledgement.ts';
import { decodeMessages, NLM_F_DUMP_INTR, NLM_F_MULTI, NLMSG_DONE, NLMSG_ERROR, NLMSG_NOOP } from '../wire/message.ts';
import type { NetlinkMessage } from '../wire/message.ts';

const ENOBUFS = 105;

export interface Answer {
  messages: NetlinkMessage[];
  /** what a dump walked changed under it */
  interrupted: boolean;
}

/** What was asked, in words, and its place in a batch. */
export interface Asked {
  op: string;
  index?: number;
}

interface Pending extends Answer {
  asked: Asked;
  /** nobody waits for it any more, but the kernel is not done with it */
  abandoned: boolean;
  resolve: (answer: Answer) => void;
  reject: (error: Error) => void;
  /** the kernel is done with it, whether or not anybody waits */
  over: (() => void) | undefined;
}

export class Answers {
  readonly #pending = new Map<number, Pending>();

  /** Rejects with NetlinkError or OutcomeUnknownError. `over` is called when the kernel is done with the request. */
  expect(sequence: number, asked: Asked, over?: () => void): Promise<Answer> {
    const answer = new Promise<Answer>((resolve, reject) => {
      this.#pending.set(sequence, {
        messages: [],
        interrupted: false,
        asked,
        abandoned: false,
        resolve,
        reject,
        over,
      });
    });
    // Whoever waits sees the rejection; when the wait ended before, nobody does, and that is no fault.
    answer.catch(ignore);
    return answer;
  }

  get size(): number {
    return this.#pending.size;
  }

  /** No answer will come. */
  forget(sequence: number): void {
    this.#pending.delete(sequence);
  }

  /** Ends the wait with the error. With `drain`, the request is over only when the kernel has said so. */
  abandon(sequence: number, error: Error, drain = false): void {
    const pending = this.#pending.get(sequence);
    if (!pending) return;
    if (!drain) {
      this.#settle(sequence, pending, error);
      return;
    }
    pending.abandoned = true;
    pending.messages = [];
    pending.reject(error);
  }

  /** A datagram, or null and an errno. After an overrun any answer may be among what was lost. */
  receive(datagram: Buffer | null, errno: number): void {
    if (!datagram) {
      if (errno === ENOBUFS) this.failAll((op) => new OverrunError(op));
      else this.failAll((op) => new NetlinkError({ op, errno, kernelMessage: 'receive' }));
      return;
    }
    let messages: NetlinkMessage[];
    try {
      messages = decodeMessages(datagram);
    } catch (error) {
      this.failAll((op) => new OutcomeUnknownError(op, error instanceof Error ? error.message : 'garbled answer'));
      return;
    }
    for (const message of messages) this.#accept(message);
  }

  failAll(reason: (op: string) => Error): void {
    for (const [sequence, pending] of [...this.#pending]) {
      this.#settle(sequence, pending, reason(nameOf(pending.asked)));
    }
  }

  #settle(sequence: number, pending: Pending, error: Error | undefined): void {
    this.#pending.delete(sequence);
    if (error) pending.reject(error);
    else pending.resolve(pending);
    pending.over?.();
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
    this.#settle(message.sequence, pending, answer.errno === 0 ? undefined : refusal(pending.asked, answer));
  }
}

function nameOf({ op, index }: Asked): string {
  return index === undefined ? op : `${op} [${index}]`;
}

function refusal(asked: Asked, { errno, kernelMessage, offset }: Acknowledgement): NetlinkError {
  return new NetlinkError({
    op: nameOf(asked),
    errno,
    kernelMessage,
    ...(offset !== undefined && { offset }),
    ...(asked.index !== undefined && { index: asked.index }),
  });
}

function ignore(): void {
  // see expect()
}
