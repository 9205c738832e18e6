import pino from 'pino';
import { addressTaken, fits, poolExhausted } from '../../src/control/addresses.ts';
import { ClusterView } from '../../src/control/cluster-view.ts';
import type { ControlDeps, PortClaims } from '../../src/control/context.ts';
import { registerNode } from '../../src/control/nodes.ts';
import { OwnRecords } from '../../src/control/ownership/own-records.ts';
import { Ownership } from '../../src/control/ownership/ownership.ts';
import type { PeerPort, SplitAnswer } from '../../src/control/ownership/ports.ts';
import type { Control } from '../../src/control/port.ts';
import { Turns } from '../../src/control/turns.ts';
import type { Start } from '../../src/control/kept/start.ts';
import { createControl } from '../../src/control/service.ts';
import { takeUp } from '../../src/entry.ts';
import { DEFAULT_SETTINGS } from '../../src/model/cluster.ts';
import { WeftError } from '../../src/model/errors.ts';
import { keys } from '../../src/model/keys.ts';
import { newId } from '../../src/model/names.ts';
import type { Reconciler } from '../../src/reconcile/port.ts';
import type { Journal } from '../../src/store/journal/port.ts';
import { MemoryState } from '../../src/store/memory-state.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import { MemoryJournal } from './memory-journal.ts';

/** A kernel that accepts everything at once, or fails the endpoint named by `failing`. */
export class InstantReconciler implements Reconciler {
  failing: Error | undefined;
  readonly #view: ClusterView | undefined;

  constructor(view?: ClusterView) {
    this.#view = view;
  }

  wake(): void {
    /* level-triggered: nothing to remember */
  }
  waitUntil(target: { endpoint?: string }): Promise<void> {
    return this.failing && target.endpoint ? Promise.reject(this.failing) : Promise.resolve();
  }
  endpointStatus() {
    return { state: 'ready', revision: 1 } as const;
  }
  drops() {
    return Promise.resolve({ 'source-mac': 3 });
  }
  look() {
    return Promise.resolve(undefined);
  }
  applied() {
    return { revision: this.#view?.revision ?? 0, sequence: Number.MAX_SAFE_INTEGER };
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

/** A daemon that starts again on the same host, while the store is away. */
export interface Restart {
  id: string;
  bootId: string;
  journal: MemoryJournal;
  start: Start;
}

export interface TestNodeOptions {
  underlayMtu?: number;
  ipamOnly?: boolean;
  /** of the cluster's state, that it reads */
  level?: number;
  clock?: () => number;
  restart?: Restart;
  ports?: PortClaims;
  /** who it is already, by what its host kept */
  identity?: { id: string; bootId: string; journal: Journal };
}

/** Several nodes of one cluster over one store in memory. */
export class TestCluster {
  readonly shared = new MemoryState();
  readonly #stop = new AbortController();
  readonly #runs: Promise<void>[] = [];
  readonly #controls = new Map<string, Control>();
  readonly #ownerships: Ownership[] = [];

  async node(name: string, options: TestNodeOptions = {}) {
    const { restart } = options;
    const store = new MemoryStore(this.shared);
    if (restart) store.setAway(true);
    const was = restart ?? options.identity;
    const id = was?.id ?? newId();
    const bootId = was?.bootId ?? `boot-${name}`;
    const memory = restart?.journal ?? new MemoryJournal({ node: id, machineId: 'm', bootId, epoch: 1 });
    const records = new OwnRecords(options.identity?.journal ?? memory);
    const view = new ClusterView(store, records);
    this.#runs.push(view.run(this.#stop.signal));
    const reconciler = new InstantReconciler(view);
    const log = pino({ level: 'silent' });
    const turns = new Turns();
    const now = () => new Date('2026-01-01T00:00:00Z');
    const clock = options.clock ?? (() => performance.now());
    const ownership = new Ownership({
      ...{ node: { id, name, bootId }, store, records, view, peers: this.#peers(id), turns, clock, now, log, fits },
      machineId: 'm',
      applied: () => reconciler.applied(),
      exhausted: (need) => poolExhausted(deps, need),
      refused: (need, holder) => addressTaken(deps, need, holder),
    });
    const deps: ControlDeps = {
      ownership,
      store,
      view,
      reconciler,
      turns,
      node: { id, name, bootId },
      settings,
      version: '0.0.0',
      level: options.level ?? 1,
      ipamOnly: options.ipamOnly ?? false,
      ports: options.ports ?? { claim: () => Promise.resolve({ settle: () => undefined }) },
      hostRoutes: () => Promise.resolve([]),
      trust: noTrust,
      examiners: {
        examineNode: (node, request) => this.#control(node).examineNode(request),
        seenProbes: (node) => this.#control(node).seenProbes({ peer: { node: id, address: '127.0.0.1' } }),
      },
      now,
      log,
    };
    const control = createControl(deps);
    this.#controls.set(id, control);
    this.#ownerships.push(ownership);
    const made = { control, deps, store, reconciler, journal: memory };
    if (restart) {
      takeUp(deps, restart.start);
      return made;
    }
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
      ...{ version: '0.0.0', level: deps.level },
      ...{ interface: 'eth0', subnets: ['192.0.2.0/24', '2001:db8::/64'] },
      createdAt: '2026-01-01T00:00:00.000Z',
    };
    await registerNode(deps, record, this.#stop.signal);
    await ownership.standing.prove({ deadline: 1_000 });
    return made;
  }

  #control(node: string): Control {
    const control = this.#controls.get(node);
    if (!control) throw new WeftError('daemon-away', `no node ${node}`);
    return control;
  }

  /** As the nodes' calls to each other arrive, without a network between. */
  #peers(self: string): PeerPort {
    const to = (node: string) => this.#control(node);
    const context = { peer: { node: self, address: '127.0.0.1' } };
    return {
      split: async (node, request) => {
        const { answer } = await to(node).splitSpace(request, context);
        return answer as SplitAnswer;
      },
      applied: async (node) => (await to(node).status()).applied,
      hint: (node, { sequence, put, delete: gone, bootId }) => {
        const encoded = put.map(({ key, value }) => ({ key, value: JSON.stringify(value) }));
        return to(node).hint({ sequence, put: encoded, delete: gone, bootId }, context);
      },
    };
  }

  /** Everything that nodes own stands in the store. */
  async published(): Promise<void> {
    for (const ownership of this.#ownerships) await ownership.publisher.flush({ deadline: 1_000 });
  }

  /** Every key of the store that begins with one of these. */
  async keys(...beginnings: string[]): Promise<string[]> {
    await this.published();
    const { entries } = await new MemoryStore(this.shared).list('');
    return entries.map((entry) => entry.key).filter((key) => beginnings.some((begin) => key.startsWith(begin)));
  }

  async close(): Promise<void> {
    await Promise.all(this.#ownerships.map((ownership) => ownership.settled()));
    this.#stop.abort();
    await Promise.all(this.#runs);
  }
}
