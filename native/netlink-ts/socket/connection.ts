/** Opening a socket as its options say: in which namespace, with or without a wire log, on which kernel. */
import { named } from '../namespace/namespace.ts';
import type { NamespaceReference } from '../namespace/namespace.ts';
import { errnoName } from '../errors.ts';
import { wireLines } from '../wire/log.ts';
import type { WireLogOptions } from '../wire/log.ts';
import { protocolName } from '../wire/protocol.ts';
import { SYSTEM_KERNEL } from './kernel.ts';
import type { Kernel, KernelSocket, Receive } from './kernel.ts';

/** What every socket and monitor of this package takes. */
export interface SocketOptions {
  /** the namespace by its file's path or by a descriptor of it; the caller's own when left out */
  netns?: NamespaceReference;
  /** gets a line for each message that goes or comes (wire/log.ts has its form); must not throw */
  wire?: (line: string) => void;
  /** attributes whose values the wire log never prints, as paths of their numbers: "3", "8.*.2" */
  secrets?: readonly string[];
  /** a FakeKernel of netlink-ts/testing in place of the system's */
  kernel?: Kernel;
}

export interface OpenOptions extends SocketOptions {
  /** NETLINK_* */
  protocol: number;
}

/** Throws NetlinkError: EPERM, EPROTONOSUPPORT, or what opening the namespace says. */
export function connect(options: OpenOptions, receive: Receive): KernelSocket {
  const { protocol, netns, kernel = SYSTEM_KERNEL, wire } = options;
  try {
    if (!wire) return kernel.open(protocol, netns, receive);
    const log: WireLogOptions = { protocol, ...(options.secrets && { secrets: options.secrets }) };
    const socket = kernel.open(protocol, netns, (datagram, errno) => {
      if (datagram) wireLines('<', datagram, log).forEach((line) => wire(line));
      else wire(`< ${protocolName(protocol)} ${errnoName(errno)}`);
      receive(datagram, errno);
    });
    return new LoggedSocket(socket, (bytes) => wireLines('>', bytes, log).forEach((line) => wire(line)));
  } catch (error) {
    throw named(`open netlink socket of protocol ${protocol}`, error);
  }
}

class LoggedSocket implements KernelSocket {
  readonly #socket: KernelSocket;
  readonly #log: (bytes: Buffer) => void;

  constructor(socket: KernelSocket, log: (bytes: Buffer) => void) {
    this.#socket = socket;
    this.#log = log;
  }

  send(bytes: Buffer): void {
    this.#log(bytes);
    this.#socket.send(bytes);
  }

  join(group: number): void {
    this.#socket.join(group);
  }

  hold(hold: boolean): void {
    this.#socket.hold(hold);
  }

  close(): void {
    this.#socket.close();
  }
}
