/**
 * A map by keys such as `addresses/<network>/<address>` in which what stands under a prefix is found without a walk over the
 * rest: keys are kept by their first part, and below that by their first two.
 */
export class PrefixMap<V> {
  readonly #values = new Map<string, V>();
  /** first part, with its slash -> first two parts, with their slashes -> keys */
  readonly #kinds = new Map<string, Map<string, Set<string>>>();

  get size(): number {
    return this.#values.size;
  }

  get(key: string): V | undefined {
    return this.#values.get(key);
  }

  has(key: string): boolean {
    return this.#values.has(key);
  }

  set(key: string, value: V): void {
    if (!this.#values.has(key)) this.#note(key);
    this.#values.set(key, value);
  }

  delete(key: string): boolean {
    if (!this.#values.delete(key)) return false;
    const { kind, folder } = placeOf(key);
    const folders = this.#kinds.get(kind);
    const keys = folders?.get(folder);
    keys?.delete(key);
    if (keys?.size === 0) folders?.delete(folder);
    if (folders?.size === 0) this.#kinds.delete(kind);
    return true;
  }

  clear(): void {
    this.#values.clear();
    this.#kinds.clear();
  }

  /** In no particular order. What is set or deleted on the way may or may not be seen. */
  *keys(prefix = ''): Generator<string, void, undefined> {
    if (prefix === '') return yield* this.#values.keys();
    for (const [folder, keys] of this.#foldersOf(prefix)) {
      if (folder.startsWith(prefix)) yield* keys;
      else if (prefix.startsWith(folder)) for (const key of keys) if (key.startsWith(prefix)) yield key;
    }
  }

  *entries(prefix = ''): Generator<[string, V], void, undefined> {
    if (prefix === '') return yield* this.#values.entries();
    for (const key of this.keys(prefix)) {
      const value = this.#values.get(key);
      if (value !== undefined || this.#values.has(key)) yield [key, value as V];
    }
  }

  /** Those that may hold keys with the prefix. */
  *#foldersOf(prefix: string): Generator<[string, Set<string>], void, undefined> {
    const { kind, folder } = placeOf(prefix);
    if (kind === '') {
      for (const folders of this.#kinds.values()) yield* folders;
      return;
    }
    const folders = this.#kinds.get(kind);
    // A whole second part leaves one.
    const only = folder === kind ? undefined : folders?.get(folder);
    if (only) yield [folder, only];
    else if (folders && folder === kind) yield* folders;
  }

  #note(key: string): void {
    const { kind, folder } = placeOf(key);
    let folders = this.#kinds.get(kind);
    if (!folders) this.#kinds.set(kind, (folders = new Map<string, Set<string>>()));
    const keys = folders.get(folder);
    if (keys) keys.add(key);
    else folders.set(folder, new Set([key]));
  }
}

/** A key without a slash is in the folder ''; one with a single slash in that of its kind. */
function placeOf(key: string): { kind: string; folder: string } {
  const first = key.indexOf('/') + 1;
  const second = key.indexOf('/', first) + 1;
  return { kind: key.slice(0, first), folder: key.slice(0, second === 0 ? first : second) };
}
