/**
 * How this node comes by space in a pool. Space is owned, never lent: the store's `blocks/` say by whom, and each change of a
 * block is one compare-and-swap. What comes is put down in the journal after the store has it (see giving.ts for what leaves).
 */
import { formatCidr, overlaps, parseCidr } from '../../model/address/cidr.ts';
import type { Cidr } from '../../model/address/cidr.ts';
import { parseAddress } from '../../model/address/address.ts';
import { toWeftError } from '../../model/errors.ts';
import { cidrFrom, ownedParts, partOf } from '../../model/ipam/blocks.ts';
import type { BlockRecord } from '../../model/ipam/blocks.ts';
import { claimAddress, claimFreePart } from '../../model/ipam/claims.ts';
import type { Claim } from '../../model/ipam/claims.ts';
import type { Pool } from '../../model/ipam/pool.ts';
import { cidrsOf, spanOf, without } from '../../model/ipam/spans.ts';
import { candidateBlocks, topBlockOf } from '../../model/ipam/top-blocks.ts';
import { keys, prefixes } from '../../model/keys.ts';
import { HANDLER_DEADLINE } from '../../model/limits.ts';
import type { CallOptions } from '../../store/port.ts';
import { Blocks, TRIES, turnOf } from './blocks.ts';
import type { Giving } from './giving.ts';
import { Looks } from './looks.ts';
import type { Need } from './need.ts';
import type { SplitAnswer, SplitRequest } from './ports.ts';
import type { SpaceOptions } from './space-options.ts';
import { spaceOf, withPart, writeSpace } from './space-records.ts';
import type { Moving, SpaceRecord } from './space-records.ts';

/** for one owner's answer, in milliseconds */
const PEER_DEADLINE = 2_000;

/** A need in one of its pools. */
type PoolNeed = Need & { pool: Pool };

type Options = CallOptions & { deadline: number };

export class Space {
  readonly #options: SpaceOptions;
  readonly #blocks: Blocks;
  readonly #giving: Giving;
  readonly #background = new Set<Promise<void>>();
  /** blocks of the picture with what they say is this node's */
  readonly #said = new WeakMap<BlockRecord, Cidr[]>();
  /** the same with the record of the journal that has all of that */
  readonly #known = new WeakMap<BlockRecord, SpaceRecord>();
  readonly #looks = new Looks();

  constructor(options: SpaceOptions, giving: Giving) {
    this.#options = options;
    this.#giving = giving;
    this.#blocks = new Blocks(options);
  }

  /**
   * Calls `use` as soon as the need fits what this node owns, before anybody else who waits for space in the same network:
   * among many, those who come later would be faster otherwise, again and again. `use` says what it lacks then. Throws what
   * stands in the way.
   */
  obtain(need: Need, options: Options, use: () => Need | undefined): Promise<void> {
    const { turns, fits, exhausted } = this.#options;
    const asked = performance.now();
    return turns.take(turnOf(need.network.id), async () => {
      // Its own time begins with its turn: who waited for others would be refused before anybody had looked.
      const end = performance.now() + options.deadline;
      const left = () => ({ ...options, deadline: Math.max(1, end - performance.now()) });
      let next: Need | undefined = need;
      while (next?.network.id === need.network.id) {
        options.signal?.throwIfAborted();
        await this.#options.standing.asked(left());
        if (!fits(next)) {
          // Of many that wait for the last addresses one looks for all who waited when it began.
          if (this.#looks.foundNone(next, asked) || left().deadline <= 1) throw exhausted(next);
          await this.#fetch(next, left);
        }
        next = use();
      }
    });
  }

  async #fetch(need: Need, left: () => Options): Promise<void> {
    const began = performance.now();
    this.#looks.anew(need);
    try {
      await this.#look(need, left);
    } catch (error) {
      if (toWeftError(error).code === 'pool-exhausted') this.#looks.inVain(need, began);
      throw error;
    }
  }

  async #look(need: Need, left: () => Options): Promise<void> {
    this.#options.standing.assertGives();
    // Space that cannot be put down would be of use to nobody.
    this.#options.own.journal.assertRoom();
    for (const [i, pool] of need.pools.entries()) {
      try {
        const one = { ...need, pool };
        return await (need.wanted === undefined ? this.#any(one, left) : this.#address(one, need.wanted, left));
      } catch (error) {
        if (toWeftError(error).code !== 'pool-exhausted' || i + 1 === need.pools.length) throw error;
      }
    }
  }

  /** More of the pool, when that is free, without anybody waiting for it. */
  prefetch(need: Need): void {
    const { turns, own, log } = this.#options;
    const key = `${turnOf(need.network.id)}/more`;
    if (turns.busy(key)) return;
    const work = turns
      .take(key, () =>
        turns.take(turnOf(need.network.id), async () => {
          own.journal.assertRoom();
          for (const pool of need.pools) {
            if (await this.#claimFree({ ...need, pool }, () => ({ deadline: HANDLER_DEADLINE }))) return;
          }
        }),
      )
      .catch((error: unknown) => log.debug({ err: error, network: need.network.id }, 'no more space was claimed ahead'))
      .finally(() => this.#background.delete(work));
    this.#background.add(work);
  }

  /** Ends when nothing is under way. */
  async settled(): Promise<void> {
    while (this.#background.size > 0) await Promise.all(this.#background);
  }

  /**
   * After a crash or a lost answer the store may say of a part that it is this node's and the journal does not, or that one
   * still has to leave. Whatever was under way is made void first, by writing the block again.
   */
  settle(network: string, options: Options): Promise<void> {
    const { turns, own } = this.#options;
    return turns.take(turnOf(network), async () => {
      for (const move of spaceOf(own, network).moving) await this.#giving.finish(network, move, options);
      await this.#adopt(network, options);
    });
  }

  /** Networks in which the store and the journal differ over what this node owns. Pure over the picture. */
  unsettled(): string[] {
    const { own, view } = this.#options;
    const found = new Set<string>();
    for (const record of view.list<BlockRecord>(prefixes.blocks)) {
      if (this.#unknownParts(record).length > 0) found.add(record.network);
    }
    for (const [, value] of own.entries('space/')) {
      const { network, moving } = value as { network: string; moving: Moving[] };
      if (moving.length > 0) found.add(network);
    }
    return [...found];
  }

  async #any(need: PoolNeed, left: () => Options): Promise<void> {
    const { view, fits, exhausted } = this.#options;
    for (;;) {
      if (await this.#claimFree(need, left)) return;
      const before = this.#blocks.seen(need.network.id);
      const answers = await this.#askOwners(need, left);
      await view.sync(left());
      await this.#adopt(need.network.id, left());
      if (fits(need)) return;
      // Space on its way from one node to another is nobody's for a moment: the picture tells.
      const moved = answers.includes('moving') || before !== this.#blocks.seen(need.network.id);
      if (!moved) throw exhausted(need);
      if (left().deadline <= 1) throw exhausted(need);
    }
  }

  async #address(need: PoolNeed, wanted: string, left: () => Options): Promise<void> {
    const { view, fits, refused } = this.#options;
    const address = parseAddress(wanted)?.value ?? -1n;
    const top = topBlockOf(need.pool, address);
    if (!top) throw refused(need, '');
    for (let tried = 0; tried < TRIES; tried++) {
      const record = this.#blocks.at(need.network.id, top);
      const owner = partOf(record, address)?.owner;
      if (owner === undefined) {
        if (
          await this.#take(
            need,
            record,
            claimAddress(record, address, this.#blocks.owner(this.#options.node.id)),
            left(),
          )
        )
          return;
        continue;
      }
      if (owner !== this.#options.node.id) {
        const answer = await this.#ask(owner, need, left);
        await view.sync(left());
        if (answer === 'none') throw refused(need, owner);
      }
      await view.sync(left());
      await this.#adopt(need.network.id, left());
      if (fits(need)) return;
    }
    throw refused(need, partOf(this.#blocks.at(need.network.id, top), address)?.owner ?? '');
  }

  /** The first block with free space; false when the pool has none. */
  async #claimFree(need: PoolNeed, left: () => Options): Promise<boolean> {
    const { node, view } = this.#options;
    const range = need.range === undefined ? undefined : parseCidr(need.range);
    for (let tried = 0; tried < TRIES; tried++) {
      let raced = false;
      for (const top of candidateBlocks(need.pool, node.id, range)) {
        const record = this.#blocks.at(need.network.id, top);
        const claim = claimFreePart(record, need.pool, this.#blocks.owner(this.#options.node.id), range);
        if (!claim.ok) continue;
        if (await this.#take(need, record, claim, left())) return true;
        raced = true;
        break;
      }
      if (!raced) return false;
      await view.sync(left());
    }
    return false;
  }

  async #take(need: PoolNeed, before: BlockRecord, claim: Claim, options: Options): Promise<boolean> {
    if (!claim.ok) return false;
    const { own, view } = this.#options;
    const { moving } = spaceOf(own, need.network.id);
    const underWay = moving.filter(({ cidr }) => overlaps(cidrFrom(cidr), claim.part));
    if (underWay.length > 0) return await this.#hasLeft(need.network.id, underWay, options);
    const networkKey = keys.network(need.network.id);
    const compare = [{ key: networkKey, revision: view.revisionOf(networkKey) }];
    if (!(await this.#blocks.swap(before, claim.record, options, compare))) return false;
    await own.append([writeSpace(withPart(spaceOf(own, need.network.id), claim.part))]).durable;
    return true;
  }

  /**
   * What was on its way from here and is free again has arrived, though the answer that said so was lost. That is put down before
   * it is claimed: looked at afterwards, the journey would take away what is in use here by then. False: the block is to be read
   * again, since others may have written it meanwhile.
   */
  async #hasLeft(network: string, underWay: Moving[], options: Options): Promise<false> {
    for (const move of underWay) await this.#giving.finish(network, move, options);
    return false;
  }

  /** Those that own most of the pool first; only who is heard from can give. */
  async #askOwners(need: PoolNeed, left: () => Options): Promise<SplitAnswer[]> {
    const { view, node } = this.#options;
    const { live } = view.current().state;
    const owners = new Set<string>();
    for (const record of view.list<BlockRecord>(prefixes.blocksOf(need.network.id))) {
      for (const { owner } of record.parts) if (owner !== node.id && live.has(owner)) owners.add(owner);
    }
    const answers: SplitAnswer[] = [];
    for (const owner of owners) {
      const answer = await this.#ask(owner, need, left);
      answers.push(answer);
      if (answer === 'split') break;
    }
    return answers;
  }

  async #ask(owner: string, need: PoolNeed, left: () => Options): Promise<SplitAnswer> {
    const { peers, node, log } = this.#options;
    const request: SplitRequest = {
      network: need.network.id,
      pool: formatCidr(need.pool.cidr),
      address: need.wanted ?? '',
      range: need.range ?? '',
      asker: node.id,
    };
    try {
      return await peers.split(owner, request, { ...left(), deadline: Math.min(left().deadline, PEER_DEADLINE) });
    } catch (error) {
      const failure = toWeftError(error);
      log.debug({ owner, reason: failure.message }, 'an owner of space did not answer');
      return 'none';
    }
  }

  /** Puts down what the store says is this node's. The picture must be as new as the store. */
  async #adopt(network: string, options: Options): Promise<void> {
    const { own, view, log } = this.#options;
    for (const key of view.keys(prefixes.blocksOf(network))) {
      // Read at its turn: the record that is written must be the one whose revision is compared.
      const record = view.value<BlockRecord>(key);
      const unknown = record ? this.#unknownParts(record) : [];
      if (!record || unknown.length === 0) continue;
      // A call of ours whose answer was lost may still be on its way: written again, the block is not what it compares.
      if (!(await this.#blocks.swap(record, record, options))) continue;
      let space = spaceOf(own, network);
      for (const part of unknown) space = withPart(space, part);
      await own.append([writeSpace(space)]).durable;
      log.info({ network, parts: unknown.map(formatCidr) }, 'space of this node was put down in its journal');
    }
  }

  /**
   * What the record says is this node's, and the journal neither has nor is giving away. No more than that: what the journal
   * has may be given away before this is put down.
   */
  #unknownParts(record: BlockRecord): Cidr[] {
    const owned = this.#partsIn(record);
    const [{ family } = {}] = owned;
    if (family === undefined) return [];
    const space = spaceOf(this.#options.own, record.network);
    if (this.#known.get(record) === space) return [];
    const known = [...space.parts, ...space.moving.map(({ cidr }) => cidr)].map(cidrFrom);
    const ofFamily = known.filter((cidr) => cidr.family === family);
    const unknown = cidrsOf(family, without(owned.map(spanOf), ofFamily.map(spanOf)));
    if (unknown.length === 0) this.#known.set(record, space);
    return unknown;
  }

  #partsIn(record: BlockRecord): Cidr[] {
    let parts = this.#said.get(record);
    if (!parts) this.#said.set(record, (parts = ownedParts(record, this.#options.node.id)));
    return parts;
  }
}
