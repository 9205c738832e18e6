import pino from 'pino';
import { ClusterView } from '../../src/control/cluster-view.ts';
import type { ControlDeps } from '../../src/control/context.ts';
import { registerNode } from '../../src/control/nodes.ts';
import { Turns } from '../../src/control/turns.ts';
import { createControl } from '../../src/control/service.ts';
import { DEFAULT_SETTINGS } from '../../src/model/cluster.ts';
import { keys } from '../../src/model/keys.ts';
import { newId } from '../../src/model/names.ts';
import type { Reconciler } from '../../src/reconcile/port.ts';
import { MemoryState } from '../../src/store/memory-state.ts';
import { MemoryStore } from '../../src/store/memory.ts';

/** A kernel that accepts everything at once, or fails the endpoint named by `failing`. */
export class InstantReconciler implements Reconciler {
  failing: Error | undefined;
  wake(): void {
    /* level-triggered: nothing to remember */
  }
  waitUntil(target: { endpoint?: string }): Promise<void> {
    return this.failing && target.endpoint ? Promise.reject(this.failing) : Promise.resolve();
  }
  endpointStatus() {
    return { state: 'ready', revision: 1 } as const;
  }
  applied() {
    return { revision: 0 };
  }
  repairs() {
    return { total: 0, byKind: {} };
  }
  conditions() {
    return [];
  }
}

export const settings = {
  id: '01K0000000000000000000CLST',
  ...DEFAULT_SETTINGS,
  vtepFamily: 4 as const,
  createdAt: '2026-01-01T00:00:00.000Z',
};

/** A node that holds no CA, and whose certificates nothing touches. */
export const noTrust: ControlDeps['trust'] = {
  ca: '',
  certify: undefined,
  notAfter: new Date('2027-01-01T00:00:00Z'),
  newToken: () => ({ id: 'aaaaaaaaaa', hash: '00', text: 'weft1.token' }),
  isSecretOf: () => false,
  rotate: () => Promise.reject(new Error('no certificates here')),
};

/** Several nodes of one cluster over one store in memory. */
export class TestCluster {
  readonly shared = new MemoryState();
  readonly #stop = new AbortController();
  readonly #runs: Promise<void>[] = [];

  async node(name: string, options: { underlayMtu?: number; ipamOnly?: boolean } = {}) {
    const store = new MemoryStore(this.shared);
    const view = new ClusterView(store);
    this.#runs.push(view.run(this.#stop.signal));
    const reconciler = new InstantReconciler();
    const id = newId();
    const deps: ControlDeps = {
      store,
      view,
      reconciler,
      turns: new Turns(),
      node: { id, name, bootId: `boot-${name}` },
      settings,
      version: '0.0.0',
      ipamOnly: options.ipamOnly ?? false,
      hostRoutes: () => Promise.resolve([]),
      trust: noTrust,
      now: () => new Date('2026-01-01T00:00:00Z'),
      log: pino({ level: 'silent' }),
    };
    await store.transact({
      compare: [],
      then: [{ put: keys.live(id), value: { node: id, bootId: deps.node.bootId } }],
    });
    await view.sync({ deadline: 1_000 });
    const record = {
      id,
      name,
      vtep: `192.0.2.${this.#runs.length}`,
      underlayMtu: options.underlayMtu ?? 1500,
      bootId: deps.node.bootId,
      version: '0.0.0',
      createdAt: '2026-01-01T00:00:00.000Z',
    };
    await registerNode({ store, view, settings }, record, this.#stop.signal);
    return { control: createControl(deps), deps, store, reconciler };
  }

  /** Every key of the store that begins with one of these. */
  async keys(...beginnings: string[]): Promise<string[]> {
    const { entries } = await new MemoryStore(this.shared).list('');
    return entries.map((entry) => entry.key).filter((key) => beginnings.some((begin) => key.startsWith(begin)));
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#runs);
  }
}
