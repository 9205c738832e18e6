/**
 * Whether this node may write what it owns, and give out addresses it never gave before. Its journal alone cannot tell: the
 * disk may have been restored, another host may run from a copy of it, the cluster may have forgotten it. Within one boot the
 * journal is trusted; after a new one nothing new is given out before the store was asked once.
 */
import type { Logger } from 'pino';
import { WeftError } from '../../model/errors.ts';
import { keys } from '../../model/keys.ts';
import { NODE_LEASE_SECONDS } from '../../model/limits.ts';
import type { EpochRecord, FenceRecord, NodeLife } from '../../model/objects.ts';
import type { CallOptions, Compare, Entry, Store } from '../../store/port.ts';
import type { ClusterView } from '../cluster-view.ts';
import { BOOT } from './keys.ts';
import type { OwnRecords } from './own-records.ts';

export type StandingState =
  /** not asked in this boot; what the journal holds is kept */
  | 'unproven'
  | 'proven'
  /** forgotten by the cluster: writes nothing */
  | 'fenced'
  /** the store knows more of this node's journal than the disk does */
  | 'behind'
  /** another host writes as this node */
  | 'cloned'
  /** the store came back from a backup: what is owned is written again, nothing new is given */
  | 'recovering';

export interface StandingOptions {
  node: { id: string; name: string; bootId: string };
  store: Store;
  own: OwnRecords;
  /** monotonic, milliseconds */
  clock: () => number;
  /** wall clock, for people */
  now: () => Date;
  /** of this host: a journal is trusted without the store on the machine that wrote it */
  machineId: string;
  /** told of each new state, after it was taken */
  onStanding?: (state: StandingState) => void;
  log: Logger;
}

/** Where the journal ended with the boot that was proven last. */
interface BootMark {
  /** id of that boot */
  after: string;
  sequence: number;
}

const RESTORED = 'the store was restored from a backup';

/** What somebody knows of this node's fence and epoch; undefined: nothing. */
export interface Witness {
  epoch: number | undefined;
  /** of the journal, that the store had */
  sequence: number | undefined;
  /** of whoever wrote it */
  bootId: string | undefined;
}

interface Held<T> {
  record: T;
  revision: number;
}

export class Standing {
  readonly #options: StandingOptions;
  /** of the journal when this process began: what a boot writes before it is proven is no evidence */
  readonly #opened: number;
  #state: StandingState = 'unproven';
  #reason = 'the store has not been asked yet in this boot';
  #since: string;
  /** when a lease of another boot was first seen */
  #otherSince: number | undefined;
  #proving: Promise<void> | undefined;
  #fence: Held<FenceRecord> | undefined;
  #epoch: Held<EpochRecord> | undefined;

  constructor(options: StandingOptions) {
    this.#options = options;
    this.#since = options.now().toISOString();
    this.#opened = this.#markBoot();
  }

  get state(): StandingState {
    // At once, not in the next round: the picture may be of the restored store already, in which others' space looks free.
    if ((this.#state === 'proven' || this.#state === 'unproven') && this.#options.store.restored()) {
      this.#become('recovering', RESTORED);
    }
    return this.#state;
  }

  get reason(): string {
    return this.#reason;
  }

  get since(): string {
    return this.#since;
  }

  get fence(): Held<FenceRecord> | undefined {
    return this.#fence;
  }

  isProven(): boolean {
    return this.state === 'proven';
  }

  /** Of the space that the journal has: within one boot nobody else can have given it away. */
  mayGive(): boolean {
    const { state } = this;
    if (state === 'proven') return true;
    const { own, node, machineId } = this.#options;
    const { fresh, header } = own.journal;
    const sameBoot = header.bootId === node.bootId && header.machineId === machineId;
    return state === 'unproven' && !fresh && sameBoot;
  }

  /**
   * While the store cannot be asked, in a boot that was never proven: what the journal held as the boot began may go to the
   * containers that come back. Nothing shows whether the disk is an older one; `heard` may.
   */
  mayReattach(): boolean {
    return this.state === 'unproven' && !this.#options.own.journal.fresh;
  }

  /** While the store cannot be asked. It takes rights away and never gives any; the next proof decides anew. */
  heard({ epoch = 0, sequence = 0, bootId }: Witness, from: string): void {
    const { own, node } = this.#options;
    if (this.#state !== 'unproven') return;
    const known = bootId === node.bootId ? own.sequence : this.#opened;
    if (epoch > own.journal.header.epoch)
      this.#stop('fenced', `${from} knows that the cluster has forgotten this node`);
    else if (sequence > known) {
      this.#stop('behind', `its journal ends at ${known}, ${from} knows it up to ${sequence}`);
    }
  }

  /** Throws what stands in the way of giving out an address, or of writing to the store at all. */
  assertGives(): void {
    if (!this.mayGive()) throw this.refusal();
  }

  refusal(): WeftError {
    const { state } = this;
    const { name } = this.#options.node;
    const next = {
      unproven: 'wait until the store answers: weft status',
      proven: 'weft status',
      fenced: 'systemctl stop weftd && weft node rejoin HOST:7781 --token TOKEN',
      behind: `weft node forget ${name} on another host; then here: systemctl stop weftd && weft node rejoin HOST:7781 --token TOKEN`,
      cloned: 'on the copy: systemctl stop weftd && weft node rejoin HOST:7781 --token TOKEN --name NAME',
      recovering: 'weft store resume, once all hosts are back',
    }[state];
    return new WeftError('node-fenced', `${name} gives out no addresses: ${this.#reason}`, { object: name, next });
  }

  /**
   * What every transaction of this node compares beside its own. Throws for who is not the node any more, and while the store
   * recovers.
   */
  compare(): Compare[] {
    if (['fenced', 'cloned', 'recovering'].includes(this.state)) throw this.refusal();
    return this.#ofEpoch();
  }

  /** Somebody has written this node's epoch since it was read: whoever has nothing to write would not learn of it. */
  isDoubtful(view: ClusterView): boolean {
    const revision = view.revisionOf(keys.epoch(this.#options.node.id));
    return this.#state === 'proven' && revision > (this.#epoch?.revision ?? revision);
  }

  /** A node of the cluster says that this one was forgotten: the store itself does not answer those any more. */
  fencedBy(peer: string): void {
    this.#stop('fenced', `the cluster has forgotten this node, as ${peer} says`);
  }

  #ofEpoch(): Compare[] {
    return this.#epoch ? [{ key: keys.epoch(this.#options.node.id), revision: this.#epoch.revision }] : [];
  }

  /** Proves what is not proven; where the store is away, what was heard against this node is the better answer. */
  async asked(options: CallOptions): Promise<void> {
    if (this.isProven()) return;
    try {
      await this.prove(options);
    } catch (error) {
      throw this.#state === 'unproven' ? error : this.refusal();
    }
  }

  /** Reads where the node stands; writes its fence where it has none of this boot. One at a time. Throws `store-away`. */
  prove(options: CallOptions): Promise<void> {
    this.#proving ??= this.#prove(options).finally(() => {
      this.#proving = undefined;
    });
    return this.#proving;
  }

  async #prove(options: CallOptions): Promise<void> {
    const { store, node, own } = this.#options;
    if (store.restored()) return this.#stop('recovering', RESTORED);
    const epoch = await this.#readEpoch(options);
    const found = (await store.get(keys.fence(node.id), options)).entry as Entry<FenceRecord> | undefined;
    if (epoch === undefined) return this.#stop('fenced', 'the cluster has forgotten this node');
    if (this.#state === 'fenced') this.#state = 'unproven';
    this.#fence = found && { record: found.value, revision: found.revision };
    if (!found && own.journal.published > 0) {
      return this.#stop('recovering', 'the store has lost what this node wrote to it');
    }
    const known = found?.value.bootId === node.bootId ? own.sequence : this.#opened;
    if (found && found.value.sequence > known) {
      return this.#stop('behind', `its journal ends at ${known}, the store has it up to ${found.value.sequence}`);
    }
    if (found?.value.bootId !== node.bootId && !(await this.#takeOver(found, options))) return;
    await this.#bind();
    own.publishedUpTo(this.#fence?.record.sequence ?? 0, this.#fence?.revision ?? 0);
    this.#become('proven', '');
  }

  /**
   * Where the journal ended before this boot wrote to it. Kept in the journal until the proof, which binds it to this boot: a
   * process may end before.
   */
  #markBoot(): number {
    const { own, node } = this.#options;
    const { header, fresh } = own.journal;
    if (fresh || header.bootId === node.bootId) return own.sequence;
    const mark = own.get<BootMark>(BOOT);
    if (mark?.after === header.bootId) return mark.sequence;
    const { sequence } = own;
    own.append([{ put: BOOT, value: { after: header.bootId, sequence } satisfies BootMark }], 'release');
    return sequence;
  }

  /**
   * The fence is about to be written again as the journal has it, without a proof: the boot that comes next must not take that for
   * more than this disk knows. Returns the sequence that the fence may bear.
   */
  async vouch(): Promise<number> {
    const { own, node } = this.#options;
    const { header } = own.journal;
    if (header.bootId === node.bootId) return own.sequence;
    const mark: BootMark = { after: header.bootId, sequence: own.sequence + 1 };
    const { sequence, durable } = own.append([{ put: BOOT, value: mark }], 'release');
    await durable;
    return sequence;
  }

  /** A batch was written with the fence moved on. */
  advanced(record: FenceRecord, revision: number): void {
    this.#fence = { record, revision };
  }

  /** Another boot of this node wrote last. While its lease lives it may be another host with a copy of the disk. */
  async #takeOver(found: Entry<FenceRecord> | undefined, options: CallOptions): Promise<boolean> {
    const { store, node } = this.#options;
    const life = (await store.get(keys.live(node.id), options)).entry?.value as NodeLife | undefined;
    if (life && life.bootId !== node.bootId) {
      const now = this.#options.clock();
      this.#otherSince ??= now;
      // A boot that is over keeps its lease for at most this long.
      const other = this.#state === 'proven' || now - this.#otherSince > 2_000 * NODE_LEASE_SECONDS;
      if (other) this.#stop('cloned', 'another host runs as this node');
      else this.#become('unproven', 'the lease of its former boot has not ended yet');
      return false;
    }
    this.#otherSince = undefined;
    const sequence = found?.value.sequence ?? 0;
    const record: FenceRecord = { ...found?.value, node: node.id, bootId: node.bootId, sequence };
    // what was written again was another boot's
    delete record.recovered;
    const { succeeded, revision } = await store.transact(
      {
        compare: [{ key: keys.fence(node.id), revision: found?.revision ?? 0 }, ...this.#ofEpoch()],
        then: [{ put: keys.fence(node.id), value: record }],
      },
      options,
    );
    if (!succeeded) return false;
    this.#fence = { record, revision };
    return true;
  }

  /** The journal is this boot's from now on; also after a take-over whose answer was lost. */
  async #bind(): Promise<void> {
    const { node, own, machineId } = this.#options;
    const { header } = own.journal;
    const epoch = this.#epoch?.record.epoch ?? header.epoch;
    const bound = header.bootId === node.bootId && header.machineId === machineId;
    if (bound && header.epoch === epoch) return;
    await own.journal.rebind({ ...header, node: node.id, machineId, bootId: node.bootId, epoch });
  }

  /** undefined: the cluster counts another epoch than this journal, or none although the journal has one. */
  async #readEpoch(options: CallOptions): Promise<EpochRecord | undefined> {
    const { store, node, own } = this.#options;
    const key = keys.epoch(node.id);
    let { entry } = await store.get(key, options);
    if (!entry && own.journal.published === 0) {
      const made: EpochRecord = { node: node.id, epoch: 1 };
      await store.transact({ compare: [{ key, revision: 0 }], then: [{ put: key, value: made }] }, options);
      ({ entry } = await store.get(key, options));
    }
    const record = entry?.value as EpochRecord | undefined;
    if (!entry || !record) return undefined;
    if (record.epoch > own.journal.header.epoch) return undefined;
    this.#epoch = { record, revision: entry.revision };
    return record;
  }

  #stop(state: StandingState, reason: string): void {
    this.#become(state, reason);
  }

  #become(state: StandingState, reason: string): void {
    const changed = state !== this.#state;
    if (changed) {
      const { log, now } = this.#options;
      this.#since = now().toISOString();
      if (state === 'proven') log.info({ was: this.#state }, 'this node owns what its journal says');
      else log.error({ state, reason }, 'this node gives out no addresses');
    }
    this.#state = state;
    this.#reason = reason;
    if (changed) this.#options.onStanding?.(state);
  }
}
