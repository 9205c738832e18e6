/** One weftd of the simulation: the product's own parts, put together as composition.ts does, over simulated ports. */
import pino from 'pino';
import { addressTaken, fits, poolExhausted } from '../../src/control/addresses.ts';
import { ClusterView } from '../../src/control/cluster-view.ts';
import type { ControlDeps } from '../../src/control/context.ts';
import { Housekeeping } from '../../src/control/housekeeping.ts';
import { keepAlive, registerNode } from '../../src/control/nodes.ts';
import { OwnRecords } from '../../src/control/ownership/own-records.ts';
import { Ownership } from '../../src/control/ownership/ownership.ts';
import type { PeerPort } from '../../src/control/ownership/ports.ts';
import type { Control } from '../../src/control/port.ts';
import { createControl } from '../../src/control/service.ts';
import { Turns } from '../../src/control/turns.ts';
import { DEFAULT_SETTINGS } from '../../src/model/cluster.ts';
import { keys } from '../../src/model/keys.ts';
import { LEVEL } from '../../src/model/level.ts';
import type { Reconciler } from '../../src/reconcile/port.ts';
import { openJournal } from '../../src/store/journal/journal.ts';
import type { Journal, JournalHeader } from '../../src/store/journal/port.ts';
import { silentLog } from '../../src/store/log.ts';
import { acknowledgedAtOnce, asIfNotRebooted, splitsLate, withoutFences } from './sim-bugs.ts';
import type { SimHost } from './sim-host.ts';
import { SimStore } from './sim-store.ts';
import type { SimWorld } from './sim-world.ts';

const log = pino({ level: 'silent' });
/** milliseconds between looks of housekeeping, of which only the order matters here */
const HOUSEKEEPING = 5_000;
const RETRY = 1_000;
/** milliseconds after which a daemon that gave up begins anew */
const RESTART = 5_000;
const DIRECTORY = '/journal';
/** so small that snapshots are taken often, and no time goes into filling a reserve */
const LIMITS = { logBytes: 16_384, reserveBytes: 0 };

/** A kernel that follows the picture at once, while it follows it at all. */
class FollowingKernel implements Reconciler {
  readonly #view: ClusterView;
  readonly #records: OwnRecords;
  readonly #host: SimHost;
  #sequence = 0;

  constructor(view: ClusterView, records: OwnRecords, host: SimHost) {
    this.#view = view;
    this.#records = records;
    this.#host = host;
  }

  wake(): void {
    /* it follows already */
  }
  waitUntil(): Promise<void> {
    return Promise.resolve();
  }
  endpointStatus() {
    return { state: 'ready', revision: 1 } as const;
  }
  applied() {
    if (!this.#host.stalled && this.#view.complete) {
      this.#host.applied = this.#view.revision;
      this.#sequence = this.#records.sequence;
    }
    return { revision: this.#host.applied, sequence: this.#sequence };
  }
  look() {
    return Promise.resolve(undefined);
  }
  drops() {
    return Promise.resolve({});
  }
  repairs() {
    return { total: 0, byKind: {} };
  }
  conditions() {
    return [];
  }
}

export class SimDaemon {
  readonly host: SimHost;
  readonly #world: SimWorld;
  readonly #ended = new AbortController();
  readonly #end = new Promise<void>((resolve) => this.#ended.signal.addEventListener('abort', () => resolve()));
  /** undefined until the cluster has been read once */
  control: Control | undefined;
  deps: ControlDeps | undefined;
  journal: Journal | undefined;
  store: SimStore | undefined;
  /** why it gave up */
  failure: unknown;

  constructor(world: SimWorld, host: SimHost) {
    this.#world = world;
    this.host = host;
  }

  /** Resolves when it ends. */
  get end(): Promise<void> {
    return this.#end;
  }

  get alive(): boolean {
    return !this.#ended.signal.aborted;
  }

  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  /** Nothing of it happens any more; what it sent is on its way. */
  kill(): void {
    this.#ended.abort();
    this.store?.ended();
  }

  start(): void {
    this.#run().catch((error: unknown) => {
      if (!this.alive) return;
      this.failure = error;
      this.#world.note(`${this.host.name} gives up: ${String(error)}`);
      if ((error as { code?: string }).code !== 'node-forgotten')
        this.#world.clock.schedule(RESTART, () => this.#again());
    });
  }

  /** As the unit's Restart= does. */
  #again(): void {
    if (!this.alive) return;
    this.host.crash();
    this.host.start();
  }

  async #run(): Promise<void> {
    const { host, signal } = this;
    const { clock, bug, etcd, network } = this.#world;
    const node = host.identity();
    const header: JournalHeader = { node: node.id, machineId: 'machine', bootId: node.bootId, epoch: 1 };
    const files = host.disk.files();
    const journal = await openJournal({ directory: DIRECTORY, files, header, log: silentLog, limits: LIMITS });
    this.journal = journal;
    this.#world.judge.journalOpened(this, journal);
    if (bug === 'skip-reread') await asIfNotRebooted(journal, header);
    this.store = await SimStore.open({
      ...{ clock, network, etcd, process: signal, keeper: host.lineage(signal) },
      writer: { host: host.name, node: node.id },
      ...(bug === 'skip-fence' ? { compares: withoutFences } : {}),
    });
    const deps = this.#compose(
      bug === 'split-before-journal' ? splitsLate(journal, clock, signal) : journal,
      this.store,
    );
    void deps.view.run(signal);
    await this.#untilStore(() => deps.view.sync({ deadline: RETRY, signal }));
    this.deps = deps;
    this.control = createControl(deps);
    this.#world.note(`${host.name} serves`);
    // A store from a backup is told of this node with all that it owns.
    if (!deps.ownership.isRecovering()) await this.#untilStore(() => registerNode(deps, host.record(), signal));
    this.#housekeep(deps);
    this.#repeatHints(deps);
    await this.#untilStore(() => deps.ownership.standing.prove({ deadline: RETRY, signal }));
    while (!deps.ownership.standing.isProven()) await this.#pause();
    await keepAlive(
      { store: deps.store, log, pause: () => this.#pause() },
      { node: node.id, bootId: node.bootId },
      signal,
    );
  }

  #compose(journal: Journal, store: SimStore): ControlDeps {
    const world = this.#world;
    const { host } = this;
    const node = host.identity();
    const records = new OwnRecords(journal);
    const view = new ClusterView(store, records);
    const turns = new Turns();
    const now = () => new Date(host.wallClock());
    const sent = this.#peers(node.id);
    const peers = world.bug === 'skip-acknowledgement' ? acknowledgedAtOnce(sent) : sent;
    const reconciler = new FollowingKernel(view, records, host);
    const ownership = new Ownership({
      ...{ node, store, records, view, peers, turns, now, log, fits },
      clock: () => world.clock.now,
      machineId: 'machine',
      applied: () => reconciler.applied(),
      registration: () => [
        { put: keys.node(node.id), value: view.value(keys.node(node.id)) ?? host.record() },
        { put: keys.nodeName(node.name), value: node.id },
      ],
      exhausted: (need) => poolExhausted(deps, need),
      refused: (need, holder) => addressTaken(deps, need, holder),
    });
    const deps: ControlDeps = {
      ...{ ownership, store, view, turns, node, now, log },
      reconciler,
      settings: world.settings,
      version: '0.0.0',
      level: LEVEL,
      ipamOnly: false,
      ports: { claim: () => Promise.resolve({ settle: () => undefined }) },
      hostRoutes: () => Promise.resolve([]),
      trust: world.trust,
    };
    return deps;
  }

  #housekeep(deps: ControlDeps): void {
    const { clock, bug } = this.#world;
    const wall = bug === 'rest-by-wall-clock';
    const housekeeping = new Housekeeping(deps, () => (wall ? this.host.wallClock() : clock.now));
    const round = async (): Promise<void> => {
      try {
        await housekeeping.round(this.signal);
      } catch (error) {
        this.#world.judge.failed(this, 'housekeeping', error);
      }
      if (this.control && this.alive) await this.host.followEngine(this, this.control);
      await this.store?.keep();
      deps.reconciler.applied();
      if (this.alive) clock.schedule(HOUSEKEEPING, () => void round());
    };
    void round();
  }

  #repeatHints(deps: ControlDeps): void {
    if (!this.alive) return;
    deps.ownership.repeatHints();
    this.#world.clock.schedule(RETRY, () => this.#repeatHints(deps));
  }

  /** As calls between daemons go: lost on the way there, or back; a request may come twice. */
  #peers(node: string): PeerPort {
    const { clock, network } = this.#world;
    const ask = <T>(to: string, deadline: number, work: (control: Control) => Promise<T>): Promise<T> => {
      if (!this.alive) return new Promise(() => undefined);
      return new Promise<T>((resolve, reject) => {
        const settle = (how: () => void) => {
          clock.cancel(due);
          if (this.alive) how();
        };
        const due = clock.schedule(deadline, () => settle(() => reject(this.#world.away(to))));
        const deliver = (host: SimHost) => {
          const { daemon } = host;
          if (!daemon?.control) return;
          const answer = (how: () => void) => {
            if (daemon.alive) network.send(host.name, this.host.name, () => settle(how));
          };
          work(daemon.control).then(
            (value) => answer(() => resolve(value)),
            (error: unknown) => answer(() => reject(error instanceof Error ? error : new Error(String(error)))),
          );
        };
        const host = this.#world.hostOf(to);
        const times = host && network.repeats() ? 2 : 1;
        for (let i = 0; host && i < times; i++) network.send(this.host.name, host.name, () => deliver(host));
      });
    };
    const context = { peer: { node, address: '127.0.0.1' } };
    return {
      split: async (to, request, { deadline = 4_000 }) => {
        const { answer } = await ask(to, deadline, (control) => control.splitSpace(request, context));
        return answer as 'split' | 'none' | 'moving';
      },
      applied: async (to, { deadline = 4_000 }) => (await ask(to, deadline, (control) => control.status())).applied,
      hint: (to, { sequence, put, delete: gone, bootId }, { deadline = 4_000 }) => {
        const encoded = put.map(({ key, value }) => ({ key, value: JSON.stringify(value) }));
        return ask(to, deadline, (control) => control.hint({ sequence, put: encoded, delete: gone, bootId }, context));
      },
    };
  }

  async #untilStore(work: () => Promise<unknown>): Promise<void> {
    for (;;) {
      try {
        await work();
        return;
      } catch (error) {
        if ((error as { code?: string }).code !== 'store-away') throw error;
        await this.#pause();
      }
    }
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => this.#world.clock.schedule(RETRY, () => this.alive && resolve()));
  }
}

/** The constants of the simulated cluster. */
export const simSettings = {
  id: '01K0000000000000000000CLST',
  ...DEFAULT_SETTINGS,
  vtepFamily: 4 as const,
  createdAt: '2026-01-01T00:00:00.000Z',
};
