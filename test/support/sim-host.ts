/** A host of the simulation: a disk, a boot, a wall clock of its own, and the daemon that runs on it, if any. */
import type { Node } from '../../src/model/objects.ts';
import type { LineageKeeper, LineageRecord } from '../../src/store/port.ts';
import { JournalDisk } from './journal-disk.ts';
import type { Random } from './random.ts';
import { DAY_ONE } from './sim-clock.ts';
import type { Control } from '../../src/control/port.ts';
import type { Calls } from './sim-calls.ts';
import { SimDaemon } from './sim-daemon.ts';
import { SimEngine } from './sim-engine.ts';
import type { SimWorld } from './sim-world.ts';

export class SimHost {
  readonly name: string;
  readonly index: number;
  nodeId: string;
  disk = new JournalDisk();
  daemon: SimDaemon | undefined;
  /** the newest revision of etcd's present history that its kernel follows */
  applied = 0;
  /** of an older day */
  savedDisk: JournalDisk | undefined;
  /** it has the identity of another that runs */
  isCopy = false;
  /** its reconcile loop gets nowhere */
  stalled = false;
  #engine: SimEngine | undefined;
  #boots = 0;
  /** milliseconds that its wall clock is wrong by */
  #wrong = 0;
  #seen: LineageRecord | undefined;
  readonly #world: SimWorld;

  constructor(world: SimWorld, index: number, nodeId: string) {
    this.#world = world;
    this.index = index;
    this.name = `h${index}`;
    this.nodeId = nodeId;
  }

  /** As one process keeps it: what a dead one still wants to write is never written. */
  lineage(process: AbortSignal): LineageKeeper {
    return {
      load: () => Promise.resolve(this.#seen),
      save: (record) => {
        if (!process.aborted) this.#seen = record;
        return Promise.resolve();
      },
    };
  }

  identity(): { id: string; name: string; bootId: string } {
    return { id: this.nodeId, name: `n${this.nodeId.slice(-4)}`, bootId: `boot-${this.name}-${this.#boots}` };
  }

  record(): Node {
    return {
      ...this.identity(),
      vtep: `192.0.2.${this.index + 1}`,
      underlayMtu: 1500,
      version: '0.0.0',
      createdAt: '2026-01-01T00:00:00.000Z',
    };
  }

  wallClock(): number {
    return DAY_ONE + this.#world.clock.now + this.#wrong;
  }

  jumpClock(milliseconds: number): void {
    this.#wrong += milliseconds;
  }

  start(): void {
    if (this.daemon) return;
    this.daemon = new SimDaemon(this.#world, this);
    this.daemon.start();
  }

  /** The daemon is killed; what it wrote is in the kernel's cache, and the containers go on. */
  crash(): void {
    this.daemon?.kill();
    this.daemon = undefined;
    this.disk.kill();
  }

  /** Power is lost and comes back: a new boot, and only what was synced. */
  powerCycle(random: Random): void {
    this.crash();
    this.disk.powerCut(random);
    this.#boots++;
  }

  restoreDisk(): void {
    if (!this.savedDisk) return;
    this.crash();
    this.disk = this.savedDisk.copy();
    this.#boots++;
    this.start();
  }

  /** Of a host that goes on. */
  runFrom(host: SimHost): void {
    this.disk = host.disk.copy();
    this.isCopy = true;
  }

  /** Its Docker, which outlives the daemon. */
  engine(calls: Calls): SimEngine {
    return (this.#engine ??= new SimEngine(calls, this));
  }

  followEngine(daemon: SimDaemon, control: Control): Promise<void> {
    return this.#engine?.follow(daemon, control) ?? Promise.resolve();
  }

  endEngine(): Promise<void> {
    return this.#engine?.endAll() ?? Promise.resolve();
  }

  linkChanged(): void {
    this.daemon?.store?.linkChanged();
  }
}
