import { createRequire } from 'node:module';
import { endianness } from 'node:os';

const require = createRequire(import.meta.url);

/** An open socket inside the addon; used after `close` it throws EBADF. */
export type SocketHandle = object;

export interface Addon {
  /** `netns` is a descriptor or -1; the callback gets datagrams, several at once where they are small, or null and an errno */
  open(protocol: number, netns: number, receive: (datagram: Buffer | null, errno: number) => void): SocketHandle;
  send(socket: SocketHandle, data: Buffer): void;
  join(socket: SocketHandle, group: number): void;
  hold(socket: SocketHandle, hold: boolean): void;
  close(socket: SocketHandle): void;
  openNamespace(path: string): number;
  /** of a namespace or a port */
  closeDescriptor(descriptor: number): void;
  createNamespace(path: string): void;
  unmountNamespace(path: string): void;
  writeSysctl(netns: number, path: string, value: string): void;
  readSysctl(netns: number, path: string): string;
  /** `reuse` 1: although connections of a former holder are still closing */
  bindPort(netns: number, protocol: number, address: string, port: number, reuse: number): number;
  sendFrame(netns: number, index: number, frame: Buffer): void;
  /** of a raw socket of this address family; the buffer holds the question, then the answer, whose length is returned */
  readOption(netns: number, family: number, level: number, option: number, buffer: Buffer): number;
  notify(path: string, message: string): void;
  /** false while another open file has it */
  lock(descriptor: number): boolean;
}

/**
 * Netlink speaks the byte order of the machine, and the codecs of this package are little-endian.
 *
 * Both netlink-ts/socket/ and dist/socket/ stand two folders below the package. Node caches the module itself.
 */
export function addon(): Addon {
  if (endianness() !== 'LE') throw new Error('netlink-ts works on little-endian machines only');
  return require('../../build/Release/netlink.node') as Addon;
}

export interface SystemError extends Error {
  errno: number;
  syscall: string;
}

export function isSystemError(error: unknown): error is SystemError {
  return error instanceof Error && typeof (error as Partial<SystemError>).errno === 'number';
}
