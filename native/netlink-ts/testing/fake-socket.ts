/** One socket of a fake kernel: what it joined, and the replies that are on their way to it. */
import type { KernelSocket, Receive } from '../socket/kernel.ts';
import { errnoName } from '../errors.ts';
import type { Reply } from './replies.ts';

const EBADF = 9;

/** What the kernel makes of a datagram that was sent. */
export type Answering = (socket: FakeSocket, datagram: Buffer) => Reply[];

export class FakeSocket implements KernelSocket {
  readonly groups = new Set<number>();
  readonly #receive: Receive;
  readonly #answering: Answering;
  readonly #closed: (socket: FakeSocket) => void;
  #open = true;

  constructor(events: { receive: Receive; answering: Answering; closed: (socket: FakeSocket) => void }) {
    this.#receive = events.receive;
    this.#answering = events.answering;
    this.#closed = events.closed;
  }

  send(bytes: Buffer): void {
    if (!this.#open) throw systemError(EBADF, 'closed socket');
    const replies = this.#answering(this, Buffer.from(bytes));
    const refused = replies.find((reply) => 'sendErrno' in reply);
    if (refused) throw systemError(refused.sendErrno, 'sendmsg');
    for (const reply of replies) this.deliver(reply);
  }

  /** In a later turn of the event loop, and not at all once it is closed. */
  deliver(reply: Reply): void {
    setImmediate(() => {
      if (!this.#open) return;
      if ('datagram' in reply) this.#receive(reply.datagram, 0);
      else if ('receiveErrno' in reply) this.#receive(null, reply.receiveErrno);
    });
  }

  join(group: number): void {
    this.groups.add(group);
  }

  hold(): void {
    // It has nothing that could keep a process alive.
  }

  close(): void {
    if (!this.#open) throw systemError(EBADF, 'closed socket');
    this.#open = false;
    this.#closed(this);
  }
}

function systemError(errno: number, syscall: string): Error {
  return Object.assign(new Error(`${syscall}: ${errnoName(errno)}`), { errno, syscall });
}
