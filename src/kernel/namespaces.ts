/**
 * The tenants' namespaces on this host as open handles: one rtnetlink and one nftables socket each, opened once. A file
 * can be unbound, deleted or bound anew behind our back, so its inode is compared with that of the open handle before
 * each use, and the sockets are opened again when they differ.
 */
import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createNamespace, deleteNamespace, NetlinkError, NftSocket, openNamespace, RouteSocket } from 'netlink-ts';
import type { Namespace } from 'netlink-ts';
import { WeftError } from '../model/errors.ts';
import { LINK_GROUP } from './link-group.ts';

export interface NamespaceHandle {
  namespace: Namespace;
  rt: RouteSocket;
  nft: NftSocket;
}

export type WireLog = (line: string, namespace: string) => void;

/** The wire log of a socket in the namespace, if anybody wants one. */
export function wireOption(wire: WireLog | undefined, namespace: string): { wire?: (line: string) => void } {
  return wire ? { wire: (line) => wire(line, namespace) } : {};
}

export class TenantNamespaces {
  readonly #folder: string;
  readonly #wire: WireLog | undefined;
  readonly #open = new Map<string, NamespaceHandle>();

  constructor(folder: string, wire?: WireLog) {
    this.#folder = folder;
    this.#wire = wire;
  }

  path(name: string): string {
    return join(this.#folder, name);
  }

  list(): string[] {
    try {
      return readdirSync(this.#folder);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
  }

  /** True when it was made, or made anew because the file was no namespace any more. */
  async ensure(name: string): Promise<boolean> {
    const before = this.#open.get(name);
    if (before && !this.#stands(name, before)) await empty(before);
    if (this.#lookUp(name)) return false;
    mkdirSync(this.#folder, { recursive: true, mode: 0o755 });
    this.remove(name);
    createNamespace(this.path(name));
    const { rt } = this.use(name);
    const lo = await rt.links.get({ name: 'lo' });
    if (lo) await rt.links.set({ index: lo.index, up: true });
    return true;
  }

  /** The handle of a namespace that stands; throws `kernel-refused` when it does not. */
  use(name: string): NamespaceHandle {
    const handle = this.#lookUp(name);
    if (handle) return handle;
    throw new WeftError('kernel-refused', `the namespace ${this.path(name)} is not there`, { object: this.path(name) });
  }

  remove(name: string): void {
    this.#forget(name);
    deleteNamespace(this.path(name));
  }

  close(): void {
    for (const name of [...this.#open.keys()]) this.#forget(name);
  }

  #stands(name: string, handle: NamespaceHandle): boolean {
    // Asked before each use. A file that no namespace is bound to has an inode of its own file system's, far below nsfs'.
    return statSync(this.path(name), { throwIfNoEntry: false })?.ino === handle.namespace.inode;
  }

  #lookUp(name: string): NamespaceHandle | undefined {
    const known = this.#open.get(name);
    if (known && this.#stands(name, known)) return known;
    this.#forget(name);
    const namespace = tryOpen(this.path(name));
    if (!namespace) return undefined;
    const handle = {
      namespace,
      rt: RouteSocket.open({ netns: namespace.fd, ...wireOption(this.#wire, name) }),
      nft: NftSocket.open({ netns: namespace.fd, ...wireOption(this.#wire, name) }),
    };
    this.#open.set(name, handle);
    return handle;
  }

  #forget(name: string): void {
    const known = this.#open.get(name);
    if (!known) return;
    this.#open.delete(name);
    known.rt.close();
    known.nft.close();
    known.namespace.close();
  }
}

/** A namespace without a file lives on while we hold it; its links would be in the way of those in the next one. */
async function empty(handle: NamespaceHandle): Promise<void> {
  try {
    await handle.rt.links.delete({ group: LINK_GROUP });
  } catch (error) {
    if (!(error instanceof NetlinkError && error.code === 'ENODEV')) throw error;
  }
}

/** Undefined for a file that is gone, or that no namespace is bound to. */
export function tryOpen(path: string): Namespace | undefined {
  try {
    return openNamespace(path);
  } catch (error) {
    if (error instanceof NetlinkError && ['ENOENT', 'EINVAL', 'ENOTDIR'].includes(error.code)) return undefined;
    throw error;
  }
}
