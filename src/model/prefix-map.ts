/**
 * A map by keys such as `addresses/<network>/<address>` in which what stands under a prefix is found without a walk over the
 * rest: keys are kept by their first part, and below that by their first two.
 */
type Folders<V> = Map<string, Map<string, V>>;

export class PrefixMap<V> {
  readonly #values = new Map<string, V>();
  /** first part, with its slash -> first two parts, with their slashes -> keys, with their values again */
  readonly #kinds = new Map<string, Folders<V>>();

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
    this.#values.set(key, value);
    const kind = kindOf(key);
    const folder = folderOf(key);
    let folders = this.#kinds.get(kind);
    if (!folders) this.#kinds.set(kind, (folders = new Map<string, Map<string, V>>()));
    const found = folders.get(folder);
    if (found) found.set(key, value);
    else folders.set(folder, new Map([[key, value]]));
  }

  delete(key: string): boolean {
    if (!this.#values.delete(key)) return false;
    const kind = kindOf(key);
    const folder = folderOf(key);
    const folders = this.#kinds.get(kind);
    const found = folders?.get(folder);
    found?.delete(key);
    if (found?.size === 0) folders?.delete(folder);
    if (folders?.size === 0) this.#kinds.delete(kind);
    return true;
  }

  clear(): void {
    this.#values.clear();
    this.#kinds.clear();
  }

  /** In no particular order. What is set or deleted on the way may or may not be seen. */
  keys(prefix = ''): IterableIterator<string> {
    return this.#under(prefix)?.keys() ?? firsts(this.#below(prefix));
  }

  entries(prefix = ''): IterableIterator<[string, V]> {
    return this.#under(prefix)?.entries() ?? this.#below(prefix);
  }

  /** All that has this prefix, where the prefix is none or two whole parts: what is asked for most. */
  #under(prefix: string): ReadonlyMap<string, V> | undefined {
    if (prefix === '') return this.#values;
    const kind = kindOf(prefix);
    return kind === prefix || folderOf(prefix) !== prefix ? undefined : (this.#kinds.get(kind)?.get(prefix) ?? NOTHING);
  }

  *#below(prefix: string): Generator<[string, V], void, undefined> {
    const kind = kindOf(prefix);
    const folders = kind === '' ? [...this.#kinds.values()] : [this.#kinds.get(kind)];
    for (const each of folders) {
      for (const [folder, found] of each ?? []) {
        if (folder.startsWith(prefix)) yield* found;
        else if (prefix.startsWith(folder)) for (const entry of found) if (entry[0].startsWith(prefix)) yield entry;
      }
    }
  }
}

const NOTHING: ReadonlyMap<string, never> = new Map<string, never>();

function* firsts<K>(entries: Iterable<[K, unknown]>): Generator<K, void, undefined> {
  for (const [key] of entries) yield key;
}

/** The first part with its slash; '' of a key without one. */
function kindOf(key: string): string {
  return key.slice(0, key.indexOf('/') + 1);
}

/** The first two parts with their slashes; of a key with a single slash, its kind. */
function folderOf(key: string): string {
  const first = key.indexOf('/') + 1;
  const second = key.indexOf('/', first) + 1;
  return key.slice(0, second === 0 ? first : second);
}
