/** Namespaces that are listened to, each until it is forgotten or bound anew under its name. */
import type { Namespace } from 'netlink-ts';

export class FollowedNamespaces {
  readonly #followed = new Map<string, { inode: number; stop: AbortController }>();

  /** How long to listen; undefined: that is under way already. */
  begin(name: string, { inode }: Namespace): AbortSignal | undefined {
    const known = this.#followed.get(name);
    if (known?.inode === inode) return undefined;
    known?.stop.abort();
    const stop = new AbortController();
    this.#followed.set(name, { inode, stop });
    return stop.signal;
  }

  forget(name: string): void {
    this.#followed.get(name)?.stop.abort();
    this.#followed.delete(name);
  }

  close(): void {
    for (const name of [...this.#followed.keys()]) this.forget(name);
  }
}
