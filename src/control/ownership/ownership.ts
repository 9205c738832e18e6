/**
 * What this node owns, and how: its journal, whether the journal counts, how it flows to the store, the space it has in the
 * pools, and when a released address is free again. No timers: `round` is called each second, `publisher` by every append.
 */
import type { Logger } from 'pino';
import { toWeftError } from '../../model/errors.ts';
import type { WeftError } from '../../model/errors.ts';
import { formatCidr, lastOf } from '../../model/address/cidr.ts';
import { cidrFrom } from '../../model/ipam/blocks.ts';
import { needsAnother, usedOf } from '../../model/ipam/owned-space.ts';
import { poolOf } from '../../model/ipam/pool.ts';
import type { Pool } from '../../model/ipam/pool.ts';
import { topBlockOf } from '../../model/ipam/top-blocks.ts';
import { keys, prefixes } from '../../model/keys.ts';
import type { Network } from '../../model/objects.ts';
import type { Condition } from '../../model/status.ts';
import { HANDLER_DEADLINE } from '../../model/limits.ts';
import type { Reconciler } from '../../reconcile/port.ts';
import type { CallOptions, Operation, Store } from '../../store/port.ts';
import type { ClusterView } from '../cluster-view.ts';
import { usersOf } from '../network-users.ts';
import type { Turns } from '../turns.ts';
import { AddressIndex } from './address-index.ts';
import { Giving } from './giving.ts';
import { HintSender } from './hint-sender.ts';
import { SPACE } from './keys.ts';
import type { Need } from './need.ts';
import type { OwnRecords } from './own-records.ts';
import type { PeerPort } from './ports.ts';
import { Publisher } from './publisher.ts';
import { Recovery } from './recovery.ts';
import { Rest } from './rest.ts';
import { Space } from './space.ts';
import type { SpaceOptions } from './space-options.ts';
import { spaceOf } from './space-records.ts';
import type { SpaceRecord } from './space-records.ts';
import { SpareSpace } from './spare.ts';
import { Standing } from './standing.ts';
import type { StandingState } from './standing.ts';

export interface OwnershipOptions {
  node: { id: string; name: string; bootId: string };
  store: Store;
  records: OwnRecords;
  view: ClusterView;
  peers: PeerPort;
  turns: Turns;
  /** monotonic, milliseconds */
  clock: () => number;
  /** wall clock, for people */
  now: () => Date;
  log: Logger;
  /** of this host */
  machineId: string;
  /** told of each new standing of this node */
  onStanding?: (state: StandingState) => void;
  /** up to where this host's own kernel follows the store and the journal */
  applied: Reconciler['applied'];
  /** what this node's registration consists of */
  registration?: () => Operation[];
  /** what use cases know of a need: see SpaceOptions */
  fits: (ownership: Ownership, need: Need) => boolean;
  exhausted: (need: Need) => WeftError;
  refused: (need: Need, owner: string) => WeftError;
}

export class Ownership {
  readonly node: { id: string; bootId: string };
  readonly records: OwnRecords;
  readonly standing: Standing;
  readonly publisher: Publisher;
  readonly index: AddressIndex;
  readonly space: Space;
  readonly giving: Giving;
  readonly rest: Rest;
  readonly recovery: Recovery;
  readonly #spare: SpareSpace;
  readonly #hints: HintSender;
  readonly #leaving = new Map<string, Promise<void>>();
  #fullSince: string | undefined;
  readonly #options: OwnershipOptions;

  constructor(options: OwnershipOptions) {
    this.#options = options;
    const { node, store, records: own, view, log } = options;
    this.node = node;
    this.records = own;
    this.standing = new Standing({ ...options, own });
    this.index = new AddressIndex(own);
    this.#spare = new SpareSpace(own, this.index);
    this.publisher = new Publisher({ node, store, own, standing: this.standing, log });
    this.rest = new Rest({ ...options, own });
    this.recovery = new Recovery({
      ...options,
      own,
      standing: this.standing,
      topsOf: (network, part) => topsOf(view, network, part),
      beginAnew: () => this.rest.beginAnew(),
    });
    const spaceOptions: SpaceOptions = {
      ...options,
      own,
      standing: this.standing,
      index: this.index,
      fits: (need) => options.fits(this, need),
      flush: (flushing) => this.publisher.flush(flushing),
      poolOf: (network, cidr) => {
        const subnet = view
          .current()
          .state.networks.get(network)
          ?.subnets.find((one) => one.cidr === cidr);
        return subnet && poolOf(subnet);
      },
    };
    this.giving = new Giving(spaceOptions);
    this.space = new Space(spaceOptions, this.giving);
    this.#hints = new HintSender({ node, own, view, peers: options.peers, log });
    view.onChange(({ keys: changed }) => {
      if (!changed || changed.some((key) => key.startsWith(prefixes.networks) || key.startsWith(prefixes.endpoints))) {
        this.#leave();
      }
    });
    own.onAppend((keys) => {
      this.publisher.kick();
      this.#hints.announce(keys);
    });
  }

  /** From the moment a restored store is noticed until somebody resumes: what is here stays, and nothing new begins. */
  isRecovering(): boolean {
    return this.standing.state === 'recovering' || this.#options.store.restored() !== undefined;
  }

  /** The store has not answered since this process began: it serves from what an earlier one kept. */
  isCutOff(): boolean {
    return this.#options.view.kept !== undefined;
  }

  /** Ends when nothing that was begun is under way. */
  async settled(): Promise<void> {
    await Promise.all([
      ...this.#leaving.values(),
      this.space.settled(),
      this.publisher.settled(),
      this.#hints.settled(),
    ]);
  }

  /** What peers did not take of this node's endpoints is told to them once more. */
  repeatHints(): void {
    this.#hints.repeat();
  }

  /** Three quarters of what is owned of the pool are used. */
  isShort(network: string, pool: Pool): boolean {
    const space = this.index.space(network, pool);
    return needsAnother(space.capacity, usedOf(space, this.index.of(network, pool).table));
  }

  /** After a transaction that did not succeed: not because this node was fenced. Throws why it may not write. */
  async assertStanding(options: CallOptions): Promise<void> {
    const { view } = this.#options;
    const [compare] = this.standing.compare();
    if (!compare || !('key' in compare) || view.revisionOf(compare.key) === compare.revision) return;
    await this.standing.prove(options);
    if (!this.standing.isProven()) throw this.standing.refusal();
  }

  /**
   * One look at all that time, crashes and others' changes leave to do. `clock`: monotonic, milliseconds; read where it counts, since
   * a round may take seconds, and what begins to rest meanwhile began after it. Never throws for a store that is away.
   */
  async round(clock: () => number, signal: AbortSignal): Promise<void> {
    const options = { deadline: HANDLER_DEADLINE, signal };
    await this.records.journal.regain();
    // While the store is away, peers hear of it from here alone.
    if (!this.publisher.idle) this.#hints.announceAgain();
    if (!this.#options.view.complete) return;
    try {
      if (!this.standing.isProven() || this.standing.isDoubtful(this.#options.view)) await this.standing.prove(options);
      if (this.standing.state === 'recovering' && !(await this.recovery.round(options))) return;
      if (!this.standing.isProven()) return;
      await this.publisher.flush(options);
      for (const network of this.space.unsettled()) await this.space.settle(network, options);
      for (const network of this.#unused()) {
        await this.giving.giveBack(network, () => this.#unused().includes(network), options);
      }
      const { networks } = this.#options.view.current().state;
      for (const id of this.#spare.due(networks, clock())) await this.#giveBackSpare(id, clock, options);
      await this.rest.round(clock(), signal);
    } catch (error) {
      const failure = toWeftError(error);
      if (failure.code !== 'store-away') throw failure;
    }
  }

  conditions(): Condition[] {
    const found: Condition[] = [];
    const { state, since } = this.standing;
    const object = this.#options.node.name;
    if (state !== 'proven' && state !== 'unproven') {
      const { message, next } = this.standing.refusal();
      found.push({ type: 'node-fenced', object, message: `${message}; next: ${next}`, since });
    }
    const { full } = this.records.journal;
    if (full) this.#fullSince ??= this.#options.now().toISOString();
    else this.#fullSince = undefined;
    if (this.#fullSince !== undefined) {
      const message = 'the disk under the journal is full: detaches go on, attaches do not';
      found.push({ type: 'journal-full', object, message, since: this.#fullSince });
    }
    return found;
  }

  #giveBackSpare(id: string, clock: () => number, options: CallOptions & { deadline: number }): Promise<void> {
    const spare = () => {
      const network = this.#options.view.current().state.networks.get(id);
      return network && !network.leaving ? this.#spare.parts(network, clock()) : [];
    };
    return this.giving.giveBackBlocks(id, spare, options);
  }

  /** Whoever deletes a network waits for its nodes to let go: at once, not in the next round. */
  #leave(): void {
    const { view, log } = this.#options;
    if (!this.standing.isProven()) return;
    for (const [, value] of this.records.entries(SPACE)) {
      const { network } = value as SpaceRecord;
      const leaving = view.value<Network>(keys.network(network))?.leaving;
      if (!leaving || this.#leaving.has(network) || !this.isLeft(network)) continue;
      const work = this.giving
        .giveBack(network, () => this.isLeft(network), { deadline: HANDLER_DEADLINE })
        .catch((error: unknown) =>
          log.debug({ err: error, network }, 'the space in a network that goes is left to the next round'),
        )
        .finally(() => this.#leaving.delete(network));
      this.#leaving.set(network, work);
    }
  }

  /** Networks in which this node owns space that nothing needs any more. */
  #unused(): string[] {
    const { view, node } = this.#options;
    const { state } = view.current();
    const bound = new Set([...state.bindings.values()].filter((one) => one.node === node.id).map((one) => one.network));
    return [...this.records.entries(SPACE)].flatMap(([, value]) => {
      const { network } = value as SpaceRecord;
      if (spaceOf(this.records, network).parts.length === 0) return [];
      const going = this.#isGoing(network);
      if (!going && bound.has(network)) return [];
      return this.#isUsed(network, going) ? [] : [network];
    });
  }

  /** The network goes, or is gone, and no endpoint of this node's is in it. A mark that it goes may be taken back at any moment. */
  isLeft(network: string): boolean {
    return this.#isGoing(network) && !this.#isUsed(network, true);
  }

  /** A network that somebody uses who was faster than the mark stays, with what is held in it. */
  #isGoing(id: string): boolean {
    const { view } = this.#options;
    const network = view.value<Network>(keys.network(id));
    if (!network) return true;
    const { leaving } = network;
    return leaving !== undefined && (leaving.force || usersOf(view.current().state, network).length === 0);
  }

  /** Something of this node's is in the network; one that goes takes with it what no endpoint has. */
  #isUsed(network: string, going: boolean): boolean {
    const prefix = going ? prefixes.endpointsOf(network) : prefixes.addressesOf(network);
    return (
      !this.records.entries(prefix)[Symbol.iterator]().next().done || spaceOf(this.records, network).moving.length > 0
    );
  }
}

/** A part may reach over several blocks: what touches is joined. */
function topsOf(view: ClusterView, network: string, part: string): string[] {
  const { family, ...bounds } = cidrFrom(part);
  const end = lastOf({ family, ...bounds });
  const found: string[] = [];
  for (const subnet of view.value<Network>(keys.network(network))?.subnets ?? []) {
    const pool = poolOf(subnet);
    for (let at = bounds.first; pool.cidr.family === family && at <= end;) {
      const top = topBlockOf(pool, at);
      if (!top) break;
      found.push(formatCidr(top));
      at = lastOf(top) + 1n;
    }
  }
  return found;
}
