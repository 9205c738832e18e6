/**
 * The records of the cluster by key, and the maps of the picture made of them. A map that was given out is never changed: what
 * changed since is laid over a copy of it when the next picture is asked for, so that a change costs its own kind of record,
 * not the whole cluster.
 */
import type { ClusterState } from '../model/cluster.ts';
import { prefixes } from '../model/keys.ts';
import type {
  AddressRecord,
  Binding,
  Egress,
  EgressHolder,
  Endpoint,
  EndpointDescription,
  EngineRecord,
  Network,
  Node,
  NodeLife,
  Router,
  SharedAddress,
  Tenant,
} from '../model/objects.ts';
import type { BlockRecord } from '../model/ipam/blocks.ts';
import { PrefixMap } from '../model/prefix-map.ts';
import type { Entry } from '../store/port.ts';

/** What the records do not tell. */
export type Standing = Pick<ClusterState, 'revision' | 'sequence' | 'unpublished'>;

export class Picture {
  readonly #entries = new PrefixMap<Entry>();
  readonly #parts = {
    tenants: new Part<Tenant>(lastOf),
    networks: new Part<Network>(lastOf),
    nodes: new Part<Node>(lastOf),
    life: new Part<NodeLife>(lastOf),
    endpoints: new Part<Endpoint>(lastOf),
    bindings: new Part<Binding>(whole),
    addresses: new Part<AddressRecord>(whole),
    blocks: new Part<BlockRecord>(whole),
    descriptions: new Part<EndpointDescription>(lastOf),
    engines: new Part<EngineRecord>(whole),
    egress: new Part<Egress>(lastOf),
    egressHolders: new Part<EgressHolder>(lastOf),
    routers: new Part<Router>(lastOf),
    shared: new Part<SharedAddress>(whole),
    revisions: new Part<number>(lastOf, ({ revision }) => revision),
  };
  /** by the first part of the key */
  readonly #partsOf = this.#arrange();
  #live: { of: ReadonlyMap<string, NodeLife>; ids: ReadonlySet<string> } | undefined;

  get(key: string): Entry | undefined {
    return this.#entries.get(key);
  }

  keys(prefix: string): Iterable<string> {
    return this.#entries.keys(prefix);
  }

  *all(): Generator<Entry, void, undefined> {
    for (const [, entry] of this.#entries.entries()) yield entry;
  }

  *values(prefix: string): Generator<unknown, void, undefined> {
    for (const [, { value }] of this.#entries.entries(prefix)) yield value;
  }

  set(entry: Entry): void {
    this.#entries.set(entry.key, entry);
    this.#note(entry.key);
  }

  delete(key: string): void {
    if (this.#entries.delete(key)) this.#note(key);
  }

  clear(): void {
    for (const key of this.#entries.keys()) this.#note(key);
    this.#entries.clear();
  }

  state(standing: Standing): ClusterState {
    const parts = this.#parts;
    const now = <T>(part: Part<T>) => part.now(this.#entries);
    const { revision, sequence, unpublished } = standing;
    // Written out: to spread and add to it costs more than all maps do when a picture is asked for after each change.
    return {
      revision,
      sequence,
      unpublished,
      tenants: now(parts.tenants),
      networks: now(parts.networks),
      nodes: now(parts.nodes),
      live: this.#liveOf(now(parts.life)),
      endpoints: now(parts.endpoints),
      bindings: now(parts.bindings),
      addresses: now(parts.addresses),
      blocks: now(parts.blocks),
      descriptions: now(parts.descriptions),
      engines: now(parts.engines),
      egress: now(parts.egress),
      egressHolders: now(parts.egressHolders),
      routers: now(parts.routers),
      shared: now(parts.shared),
      revisions: now(parts.revisions),
    };
  }

  #liveOf(life: ReadonlyMap<string, NodeLife>): ReadonlySet<string> {
    if (this.#live?.of !== life) this.#live = { of: life, ids: new Set(life.keys()) };
    return this.#live.ids;
  }

  #note(key: string): void {
    for (const part of this.#partsOf.get(key.slice(0, key.indexOf('/') + 1)) ?? []) part.changed(key);
  }

  #arrange(): ReadonlyMap<string, readonly Part<unknown>[]> {
    const parts = this.#parts;
    return new Map<string, readonly Part<unknown>[]>([
      [prefixes.tenants, [parts.tenants, parts.revisions]],
      [prefixes.networks, [parts.networks, parts.revisions]],
      [prefixes.nodes, [parts.nodes]],
      [prefixes.live, [parts.life]],
      [prefixes.endpoints, [parts.endpoints, parts.revisions]],
      [prefixes.bindings, [parts.bindings]],
      [prefixes.addresses, [parts.addresses]],
      [prefixes.blocks, [parts.blocks]],
      [prefixes.descriptions, [parts.descriptions]],
      [prefixes.engines, [parts.engines]],
      [prefixes.egress, [parts.egress]],
      [prefixes.egressHolders, [parts.egressHolders]],
      [prefixes.routers, [parts.routers]],
      [prefixes.shared, [parts.shared]],
    ]);
  }
}

class Part<T> {
  #map: ReadonlyMap<string, T> = new Map<string, T>();
  /** keys since the map was made */
  readonly #changed = new Set<string>();
  readonly #nameOf: (key: string) => string;
  readonly #valueOf: (entry: Entry) => T;

  constructor(nameOf: (key: string) => string, valueOf = (entry: Entry) => entry.value as T) {
    this.#nameOf = nameOf;
    this.#valueOf = valueOf;
  }

  changed(key: string): void {
    this.#changed.add(key);
  }

  now(entries: PrefixMap<Entry>): ReadonlyMap<string, T> {
    if (this.#changed.size === 0) return this.#map;
    const map = new Map(this.#map);
    for (const key of this.#changed) {
      const entry = entries.get(key);
      if (entry) map.set(this.#nameOf(key), this.#valueOf(entry));
      else map.delete(this.#nameOf(key));
    }
    this.#changed.clear();
    this.#map = map;
    return map;
  }
}

/** Ids are the last part of their records' keys. */
function lastOf(key: string): string {
  return key.slice(key.lastIndexOf('/') + 1);
}

function whole(key: string): string {
  return key;
}
