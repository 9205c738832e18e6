/** Network namespaces as files: nsfs mounts such as /run/netns/NAME, and descriptors of them. */
import { closeSync, fstatSync, openSync, unlinkSync } from 'node:fs';
import { NetlinkError } from '../errors.ts';
import { addon, isSystemError } from '../socket/addon.ts';

const EINVAL = 22;
const ENOENT = 2;

/** A namespace given by the path of its file or by an open descriptor; undefined is the caller's own. */
export type NamespaceReference = string | number | undefined;

export interface Namespace {
  readonly fd: number;
  /** tells one namespace from another as long as either is open */
  readonly inode: number;
  close(): void;
}

/** Throws ENOENT, or EINVAL for a file that is no network namespace. The descriptor keeps the namespace alive. */
export function openNamespace(path: string): Namespace {
  const fd = asNetlinkError(`open namespace ${path}`, () => addon().openNamespace(path));
  return { fd, inode: fstatSync(fd).ino, close: () => addon().closeDescriptor(fd) };
}

/** Makes a namespace and binds it to `path`, whose folder must exist. Throws EEXIST when the file stands already. */
export function createNamespace(path: string): void {
  asNetlinkError(`create namespace ${path}`, () => {
    closeSync(openSync(path, 'wx', 0o600));
    try {
      addon().createNamespace(path);
    } catch (error) {
      unlinkSync(path);
      throw error;
    }
  });
}

/** Unbinds and removes the file; false when there was none. The namespace lives on while anything holds it open. */
export function deleteNamespace(path: string): boolean {
  try {
    addon().unmountNamespace(path);
  } catch (error) {
    // EINVAL: a file that nothing is mounted on, left by a crash between its making and the mount.
    if (!isSystemError(error) || ![EINVAL, ENOENT].includes(error.errno))
      throw named(`delete namespace ${path}`, error);
    if (error.errno === ENOENT) return false;
  }
  asNetlinkError(`delete namespace ${path}`, () => unlinkSync(path));
  return true;
}

/** `path` is below /proc/sys: "net/ipv4/ip_forward". */
export function writeSysctl(netns: Namespace | undefined, path: string, value: string): void {
  asNetlinkError(`write sysctl ${path}`, () => addon().writeSysctl(netns?.fd ?? -1, sysctlFile(path), value));
}

/** Without the final newline. */
export function readSysctl(netns: Namespace | undefined, path: string): string {
  return asNetlinkError(`read sysctl ${path}`, () =>
    addon()
      .readSysctl(netns?.fd ?? -1, sysctlFile(path))
      .trimEnd(),
  );
}

/** The first 4,096 bytes of a file of /proc/net: "snmp". Throws ENOENT where the kernel has none. */
export function readCounters(netns: Namespace | undefined, name: string): string {
  if (!/^\w+$/.test(name)) throw new RangeError(`not a file of counters: ${name}`);
  // /proc/net is that of the process, whatever namespace its threads are in.
  const path = `/proc/thread-self/net/${name}`;
  return asNetlinkError(`read ${path}`, () => addon().readSysctl(netns?.fd ?? -1, path));
}

function sysctlFile(path: string): string {
  if (!/^net\/[\w./-]+$/.test(path) || path.includes('..')) throw new RangeError(`not a network sysctl: ${path}`);
  return `/proc/sys/${path}`;
}

function asNetlinkError<T>(op: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw named(op, error);
  }
}

/** The addon's errno is positive, Node's own negative. */
export function named(op: string, error: unknown): unknown {
  if (!isSystemError(error)) return error;
  return new NetlinkError({ op, errno: Math.abs(error.errno), kernelMessage: '' });
}
