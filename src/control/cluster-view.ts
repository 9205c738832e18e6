/**
 * The node's picture of the cluster: the store's snapshot R, fed by one watch, with the node's own journal Q laid over it.
 * Reads are from memory; `sync` waits until the picture is as new as the store, so that an object made on another host a
 * moment ago is found here.
 */
import type { ClusterState } from '../model/cluster.ts';
import { keys, prefixes } from '../model/keys.ts';
import type { FenceRecord, NodeLife } from '../model/objects.ts';
import { WeftError } from '../model/errors.ts';
import type { Entry, Store, StoreEvent } from '../store/port.ts';
import { Hints } from './hints.ts';
import type { KnownFence } from './hints.ts';
import { isPublished } from './ownership/keys.ts';
import type { OwnRecords } from './ownership/own-records.ts';
import type { Hint } from './ownership/ports.ts';
import { Picture } from './picture.ts';

export interface ViewChange {
  /** null: everything may have changed */
  keys: string[] | null;
  revision: number;
}

interface Waiter {
  revision: number;
  resolve: () => void;
}

/** The store's word at a revision. */
export interface Stored {
  revision: number;
  entries: Entry[];
}

/** Of an earlier process on this host, which kept it. */
export interface Kept extends Stored {
  /** ISO time */
  takenAt: string;
}

/** How long a read waits for the watch to catch up with the store before it answers from what it has. */
const CATCH_UP = 500;

export class ClusterView {
  readonly #entries = new Picture();
  readonly #waiters = new Set<Waiter>();
  readonly #listeners = new Set<(change: ViewChange) => void>();
  #revision = 0;
  #complete = false;
  #kept: Kept | undefined;
  #state: ClusterState | undefined;
  readonly #store: Store;
  readonly #own: OwnRecords | undefined;
  readonly #hints = new Hints();
  /** what the store says of keys for which this node's word counts */
  readonly #under = new Map<string, Entry>();

  /** `own`: for its keys this node's word counts, not the store's. */
  constructor(store: Store, own?: OwnRecords) {
    this.#store = store;
    this.#own = own;
    own?.onAppend((keys) => this.#overlay(keys));
    own?.onPublished(() => this.#published());
  }

  /** Follows the store until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    for await (const event of this.#store.watch('', signal)) this.#accept(event);
  }

  /** False until the first full snapshot: nothing may be deleted for its absence before. */
  get complete(): boolean {
    return this.#complete;
  }

  /** There is something to answer from: the store's snapshot, or what this host kept of an earlier one. */
  get usable(): boolean {
    return this.#complete || this.#kept !== undefined;
  }

  /** What is answered from while the store has not delivered its own. */
  get kept(): Kept | undefined {
    return this.#kept;
  }

  get revision(): number {
    return this.#revision;
  }

  /** To serve from until the store's own snapshot, which replaces all of it: nothing may be deleted for its absence here. */
  adopt(kept: Kept): void {
    if (this.#complete) return;
    const { revision, entries } = kept;
    this.#revision = revision;
    for (const entry of entries) if (!this.#own?.decides(entry.key)) this.#entries.set(entry);
    this.#layOverAll();
    this.#kept = kept;
    this.#state = undefined;
    for (const listener of this.#listeners) listener({ keys: null, revision });
  }

  /** The store's word, without the hints over it; of what this node's word counts for, nothing. */
  toKeep(): Stored {
    const hinted = new Set(this.#hints.keys());
    const known = [...this.#entries.all()].filter(({ key }) => !hinted.has(key) && !this.#own?.decides(key));
    const under = [...hinted].flatMap((key) => this.#hints.under(key) ?? []);
    return { revision: this.#revision, entries: [...known, ...under] };
  }

  /** Listeners only wake others; a throwing one is a bug and is not caught here. */
  onChange(listener: (change: ViewChange) => void): void {
    this.#listeners.add(listener);
  }

  entry(key: string): Entry | undefined {
    return this.#entries.get(key);
  }

  /** What the store says of a key, also where this node's word counts. */
  stored(key: string): Entry | undefined {
    return this.#own?.decides(key) ? this.#under.get(key) : this.#entries.get(key);
  }

  /** 0 for an absent key: what a compare of a transaction needs. */
  revisionOf(key: string): number {
    return this.#entries.get(key)?.revision ?? 0;
  }

  value<T>(key: string): T | undefined {
    return this.#entries.get(key)?.value as T | undefined;
  }

  list<T>(prefix: string): T[] {
    return [...this.#entries.values(prefix)] as T[];
  }

  keys(prefix: string): string[] {
    return [...this.#entries.keys(prefix)];
  }

  current(): { state: ClusterState; complete: boolean } {
    this.#state ??= this.#build();
    return { state: this.#state, complete: this.#complete };
  }

  /** The picture as it is, then after changes, or every `tick` ms: the newest only, for a reader that takes its time. */
  async *follow(signal: AbortSignal, tick?: number): AsyncIterable<ClusterState> {
    let seen: ClusterState | undefined;
    while (!signal.aborted) {
      const state = this.usable ? this.current().state : undefined;
      const due = state !== undefined && state === seen && !(await this.#changed(signal, tick));
      if (state !== undefined && (state !== seen || due)) yield (seen = state);
      else if (state === undefined) await this.#changed(signal);
    }
  }

  /** True at the next change or at the signal, false after `tick` ms. */
  #changed(signal: AbortSignal, tick?: number): Promise<boolean> {
    return new Promise((resolve) => {
      const done = (changed: boolean) => {
        clearTimeout(timer);
        this.#listeners.delete(onChange);
        signal.removeEventListener('abort', onChange);
        resolve(changed);
      };
      const onChange = () => done(true);
      const timer = tick === undefined ? undefined : setTimeout(() => done(false), tick);
      this.#listeners.add(onChange);
      signal.addEventListener('abort', onChange, { once: true });
      if (signal.aborted) onChange();
    });
  }

  /** Resolves once the picture stands at `revision` or later; false when that took longer than `deadline` ms. */
  async reached(revision: number, deadline: number, signal?: AbortSignal): Promise<boolean> {
    if (this.#complete && this.#revision >= revision) return true;
    return await new Promise<boolean>((resolve) => {
      const waiter: Waiter = { revision, resolve: () => done(true) };
      const timer = setTimeout(() => done(false), deadline);
      const onAbort = () => done(false);
      const done = (reached: boolean) => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        this.#waiters.delete(waiter);
        resolve(reached);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiters.add(waiter);
      if (signal?.aborted) done(false);
    });
  }

  /** As new as the store was at the call. Throws `store-away`; foreign writers in a shared etcd only cost CATCH_UP. */
  async sync(options: { deadline: number; signal?: AbortSignal }): Promise<void> {
    const { revision } = await this.#store.get('cluster/settings', options);
    if (!this.#complete && !(await this.reached(0, options.deadline, options.signal))) {
      throw new WeftError('store-away', 'the first snapshot of the cluster has not arrived');
    }
    await this.reached(revision, CATCH_UP, options.signal);
  }

  #accept(event: StoreEvent): void {
    const changed = event.kind === 'snapshot' ? null : event.changes.map(keyOf);
    this.#revision = event.revision;
    if (event.kind === 'snapshot') {
      this.#entries.clear();
      this.#under.clear();
      this.#hints.beginAnew();
      for (const entry of event.entries) this.#put(entry);
      this.#layOverAll();
      this.#complete = true;
      this.#kept = undefined;
    } else {
      for (const change of event.changes) {
        if (change.type === 'put') this.#put(change.entry);
        else this.#remove(change.key);
      }
    }
    this.#confirm();
    this.#uncover();
    this.#state = undefined;
    for (const waiter of this.#waiters) if (waiter.revision <= event.revision) waiter.resolve();
    for (const listener of this.#listeners) listener({ keys: changed, revision: event.revision });
  }

  #put(entry: Entry): void {
    if (this.#own?.decides(entry.key)) {
      this.#under.set(entry.key, entry);
      const value = this.#own.get(entry.key);
      if (value !== undefined) this.#entries.set({ ...entry, value });
    } else if (!this.#hints.stored(entry.key, entry)) this.#entries.set(entry);
  }

  /** The watch may have shown the records before the transaction's answer said that they are in the store. */
  #published(): void {
    this.#uncover();
    this.#state = undefined;
    for (const listener of this.#listeners) listener({ keys: [], revision: this.#revision });
  }

  /** What this node deleted is gone from the store: whatever stands there since then is another's. */
  #uncover(): void {
    for (const key of this.#own?.seen(this.#revision) ?? []) {
      const entry = this.#under.get(key);
      if (entry) this.#entries.set(entry);
      this.#under.delete(key);
      this.#state = undefined;
    }
  }

  #remove(key: string): void {
    if (this.#own?.decides(key)) this.#under.delete(key);
    else if (!this.#hints.stored(key, undefined)) this.#entries.delete(key);
  }

  /** What another node says of its own records before the store shows it; the store's word ends it. */
  hint(hint: Hint): void {
    const connected = this.#complete && this.#store.state() === 'ok';
    const keys = this.#hints.take(hint, (key) => this.#entries.get(key), this.#fenceOf(hint.node), connected);
    for (const key of keys) {
      const value = this.#hints.value(key);
      const before = this.#entries.get(key);
      if (value === undefined) this.#entries.delete(key);
      else this.#entries.set({ revision: this.#revision, created: this.#revision, ...before, key, value });
    }
    if (keys.length === 0) return;
    this.#state = undefined;
    for (const listener of this.#listeners) listener({ keys, revision: this.#revision });
  }

  /** A node's fence in the picture says up to where its records in it are its last word. */
  #confirm(): void {
    for (const { key, entry } of this.#hints.confirmed((node) => this.#fenceOf(node))) {
      if (entry) this.#entries.set(entry);
      else this.#entries.delete(key);
    }
  }

  /** The store's word is the last of a node that was forgotten: what it told others and did not write never comes. */
  #fenceOf(node: string): KnownFence {
    const { sequence = 0, bootId = '' } = this.value<FenceRecord>(keys.fence(node)) ?? {};
    const entry = this.entry(keys.live(node));
    const life = entry && { bootId: (entry.value as NodeLife).bootId, revision: entry.revision };
    return { sequence: this.entry(keys.forgotten(node)) ? Infinity : sequence, bootId, life };
  }

  #layOverAll(): void {
    for (const [key] of this.#own?.entries() ?? []) if (isPublished(key)) this.#layOver(key);
  }

  #overlay(keys: string[]): void {
    for (const key of keys) this.#layOver(key);
    this.#state = undefined;
    for (const listener of this.#listeners) listener({ keys, revision: this.#revision });
  }

  /** A record that the store has not seen yet bears the revision of the picture it was made in. */
  #layOver(key: string): void {
    const value = this.#own?.get(key);
    const before = this.#entries.get(key);
    if (value === undefined) this.#entries.delete(key);
    else this.#entries.set({ revision: this.#revision, created: this.#revision, ...before, key, value });
  }

  #build(): ClusterState {
    const unpublished = new Set<string>();
    for (const keys of [this.#own?.pending() ?? [], this.#hints.keys()]) {
      for (const key of keys)
        if (key.startsWith(prefixes.endpoints)) unpublished.add(key.slice(key.lastIndexOf('/') + 1));
    }
    return this.#entries.state({ revision: this.#revision, sequence: this.#own?.sequence ?? 0, unpublished });
  }
}

function keyOf(change: { type: 'put'; entry: Entry } | { type: 'delete'; key: string }): string {
  return change.type === 'put' ? change.entry.key : change.key;
}
