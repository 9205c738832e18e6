/** A kernel of the mind for tests of the loop: holds objects, fails what it is told to, remembers what was done. */
import type { Place } from '../../src/model/ports/places.ts';
import type { Operation } from '../../src/plan/diff.ts';
import type {
  AddressWish,
  ForeignChains,
  HeldAddresses,
  HostForwarding,
  KernelEvent,
  KernelPort,
  OperationFailure,
  PlaceConflict,
  PortDrops,
} from '../../src/plan/kernel-port.ts';
import { isLink, keyOf } from '../../src/plan/objects.ts';
import type { KernelObject, Observed, PortPeer } from '../../src/plan/objects.ts';

export class FakeKernel implements KernelPort {
  readonly worlds = new Map<string, Map<string, KernelObject>>();
  /** keys of objects whose operations fail */
  readonly failing = new Set<string>();
  readonly applied: string[] = [];
  /** names of calls in order */
  readonly calls: string[] = [];
  guardFails = false;
  addressesFail = false;
  guarded = false;
  /** engines have moved the containers' interfaces to where they belong */
  inSandbox = true;
  /** in the host's namespace, with weft's mark */
  readonly links = new Set<string>();
  /** namespaces of containers that ended */
  readonly gone = new Set<string>();
  held: readonly Place[] = [];
  pinned: string[] = [];
  readonly dropped = new Map<string, PortDrops>();
  readonly #events: KernelEvent[] = [];
  #wake: (() => void) | undefined;

  namespaces(): Promise<string[]> {
    return Promise.resolve([...this.worlds.keys()]);
  }

  ensureNamespace(name: string): Promise<boolean> {
    const made = !this.worlds.has(name);
    if (made) this.worlds.set(name, new Map());
    return Promise.resolve(made);
  }

  removeNamespace(name: string): Promise<void> {
    this.worlds.delete(name);
    return Promise.resolve();
  }

  observe(name: string): Promise<Observed> {
    return Promise.resolve({ objects: [...(this.worlds.get(name)?.values() ?? [])].map(forget), foreign: [] });
  }

  hostLinks(): Promise<string[]> {
    return Promise.resolve([...this.links]);
  }

  isNamespace(path: string): Promise<boolean> {
    return Promise.resolve(!this.gone.has(path));
  }

  isGuarded(): Promise<boolean> {
    return Promise.resolve(this.guarded);
  }

  apply(name: string, operations: Operation[]): Promise<OperationFailure[]> {
    const world = this.worlds.get(name) ?? new Map<string, KernelObject>();
    const failures: OperationFailure[] = [];
    for (const operation of operations) {
      const key = keyOf(operation.object);
      this.applied.push(`${operation.type} ${key}`);
      if (this.failing.has(key)) failures.push({ operation, error: new Error(`${key} fails`) });
      else if (operation.type === 'delete') this.damage(name, key);
      else world.set(key, operation.object);
    }
    return Promise.resolve(failures);
  }

  holdAddresses({ addresses }: AddressWish): Promise<HeldAddresses> {
    if (this.addressesFail) return Promise.reject(new Error('an address stays'));
    this.pinned = addresses;
    return Promise.resolve({ lost: [], failures: [] });
  }

  cutFlows(name: string): Promise<void> {
    this.calls.push(`cut ${name}`);
    return Promise.resolve();
  }

  routeOnLink(peer: PortPeer): Promise<boolean> {
    this.calls.push(`route ${peer.endpoint} ${peer.links?.join(' ') ?? ''}`);
    return Promise.resolve(this.inSandbox);
  }

  guardHost(): Promise<string[]> {
    this.calls.push('guard host');
    this.guarded = !this.guardFails;
    return this.guardFails ? Promise.reject(new Error('no nftables')) : Promise.resolve([]);
  }

  unguardHost(): Promise<void> {
    if (this.worlds.size > 0) throw new Error('a namespace stands without its guard');
    this.guarded = false;
    return Promise.resolve();
  }

  passForeign(): Promise<ForeignChains> {
    return Promise.resolve({ chains: [], refused: [], repaired: [] });
  }

  reservePorts(wanted: readonly Place[]): Promise<PlaceConflict[]> {
    this.held = wanted;
    return Promise.resolve([]);
  }

  forwarding(): Promise<HostForwarding> {
    return Promise.resolve({ ipv4: true, ipv6: true });
  }

  guardTenant(name: string): Promise<string[]> {
    this.calls.push(`guard ${name}`);
    return Promise.resolve([]);
  }

  guardPorts(name: string): Promise<string[]> {
    this.calls.push(`guard ports ${name}`);
    return Promise.resolve([]);
  }

  drops(): Promise<Map<string, PortDrops>> {
    return Promise.resolve(this.dropped);
  }

  forgetDrops(): Promise<void> {
    this.dropped.clear();
    return Promise.resolve();
  }

  /** As somebody's `ip link del` would; what stands on a link goes with it. */
  damage(name: string, key: string): void {
    const world = this.worlds.get(name);
    const object = world?.get(key);
    world?.delete(key);
    if (!world || !object || !isLink(object)) return;
    for (const [other, one] of world) if ('link' in one && one.link === object.name) world.delete(other);
  }

  emit(event: KernelEvent): void {
    this.#events.push(event);
    this.#wake?.();
  }

  async *events(signal: AbortSignal): AsyncIterable<KernelEvent> {
    signal.addEventListener('abort', () => this.#wake?.(), { once: true });
    for (;;) {
      yield* this.#events.splice(0);
      if (isOver(signal)) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  close(): void {
    /* nothing is open */
  }
}

function isOver(signal: AbortSignal): boolean {
  return signal.aborted;
}

/** The other end of a port cannot be observed. */
function forget(object: KernelObject): KernelObject {
  return object.kind === 'port' ? { ...object, peer: null } : object;
}
