/** What stands at the other end of a socket: the system's kernel through the addon, or a fake (netlink-ts/testing). */
import { openNamespace } from '../namespace/namespace.ts';
import type { NamespaceReference } from '../namespace/namespace.ts';
import { addon } from './addon.ts';
import type { SocketHandle } from './addon.ts';

/** Gets whole messages, of one datagram or of several, or null and an errno. Never called before `open` has returned. */
export type Receive = (datagram: Buffer | null, errno: number) => void;

export interface Kernel {
  open(protocol: number, netns: NamespaceReference, receive: Receive): KernelSocket;
}

/** Errors are thrown as Node's system errors are, with `errno` and `syscall`. */
export interface KernelSocket {
  /** one datagram: a message, or several of one batch */
  send(bytes: Buffer): void;
  join(group: number): void;
  /** whether the open socket keeps the process alive */
  hold(hold: boolean): void;
  close(): void;
}

/** A path is opened only for the opening: a socket keeps its namespace itself. */
export const SYSTEM_KERNEL: Kernel = {
  open(protocol, reference, receive) {
    const netns = typeof reference === 'string' ? openNamespace(reference) : undefined;
    const descriptor = netns?.fd ?? (typeof reference === 'number' ? reference : -1);
    try {
      return new AddonSocket(addon().open(protocol, descriptor, receive));
    } finally {
      netns?.close();
    }
  },
};

class AddonSocket implements KernelSocket {
  readonly #addon = addon();
  readonly #handle: SocketHandle;

  constructor(handle: SocketHandle) {
    this.#handle = handle;
  }

  send(bytes: Buffer): void {
    this.#addon.send(this.#handle, bytes);
  }

  join(group: number): void {
    this.#addon.join(this.#handle, group);
  }

  hold(hold: boolean): void {
    this.#addon.hold(this.#handle, hold);
  }

  close(): void {
    this.#addon.close(this.#handle);
  }
}
