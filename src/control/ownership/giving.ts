/**
 * How space leaves this node: to another that asks for a part of it, or back to nobody. What leaves is struck from the journal
 * before the store hears of it, so that at no moment two nodes may give out one address, whatever dies in between.
 */
import { formatCidr, parseCidr } from '../../model/address/cidr.ts';
import type { Cidr } from '../../model/address/cidr.ts';
import { parseAddress } from '../../model/address/address.ts';
import { toWeftError } from '../../model/errors.ts';
import { addressPart, cidrFrom } from '../../model/ipam/blocks.ts';
import { chooseCarve } from '../../model/ipam/choose-carve.ts';
import { carve } from '../../model/ipam/claims.ts';
import { prefixes } from '../../model/keys.ts';
import type { JournalOperation } from '../../store/journal/port.ts';
import type { CallOptions } from '../../store/port.ts';
import { Blocks, TRIES, turnOf } from './blocks.ts';
import type { SplitAnswer, SplitRequest } from './ports.ts';
import type { SpaceOptions } from './space-options.ts';
import { ownedIn, spaceOf, withoutPart, writeSpace } from './space-records.ts';
import type { Moving } from './space-records.ts';

type Options = CallOptions & { deadline: number };

export class Giving {
  readonly #options: SpaceOptions;
  readonly #blocks: Blocks;

  constructor(options: SpaceOptions) {
    this.#options = options;
    this.#blocks = new Blocks(options);
  }

  /**
   * The owner's side of a split: gives the asker an address, or up to half of what is free. It takes no turn: two nodes that
   * ask each other would wait for each other. What it gives is out of this node's hands in one step.
   */
  async split(request: SplitRequest, options: Options): Promise<SplitAnswer> {
    const { own, standing } = this.#options;
    await standing.asked(options);
    standing.assertGives();
    const cidr = this.#spare(request);
    const space = spaceOf(own, request.network);
    if (!cidr) {
      // So that the asker finds in the store who has it.
      await this.#options.flush(options).catch(() => undefined);
      return space.moving.length > 0 ? 'moving' : 'none';
    }
    const move = { cidr: formatCidr(cidr), to: request.asker };
    const next = withoutPart(space, cidr);
    await own.append([writeSpace({ ...next, moving: [...next.moving, move] })]).durable;
    return (await this.finish(request.network, move, options)) ? 'split' : 'moving';
  }

  /** Lets go of everything in a network in which nothing of this node is left. Throws `store-away`. */
  giveBack(network: string, unused: () => boolean, options: Options): Promise<void> {
    const { turns, own, view, standing } = this.#options;
    return turns.take(turnOf(network), async () => {
      // A network that somebody took for leaving a moment ago may stay after all, and what rests in it with it.
      await view.sync(options);
      const parts = ownedIn(own, network);
      const space = spaceOf(own, network);
      // An attach may have come first. What an older disk calls its own may be in use by whoever has the newer one.
      if (parts.length === 0 || !unused() || !standing.isProven()) return;
      const left = [...own.entries(prefixes.addressesOf(network))].map(([key]) => ({ delete: key }));
      await this.#letGo(network, [...left, writeSpace({ ...space, parts: [] })], options);
    });
  }

  /**
   * Lets go of blocks in a network that is in use. `spare` is asked in the same step that strikes them: it says all that this node
   * owns of each, and nothing of that may be in use, nor at rest. Throws `store-away`.
   */
  giveBackBlocks(network: string, spare: () => Cidr[], options: Options): Promise<void> {
    const { turns, own } = this.#options;
    return turns.take(turnOf(network), async () => {
      const parts = spare();
      if (parts.length === 0) return;
      await this.#letGo(network, [writeSpace(parts.reduce(withoutPart, spaceOf(own, network)))], options, parts);
    });
  }

  /** All space of a node that is dead, in a network that goes. */
  giveBackOf(network: string, node: string, options: Options): Promise<void> {
    return this.#blocks.free(network, node, options);
  }

  /** True once the part is the other node's. */
  async finish(network: string, move: Moving, options: Options): Promise<boolean> {
    const { own, view, flush } = this.#options;
    const cidr = cidrFrom(move.cidr);
    try {
      // What was deleted there must not reach the store after what the next owner writes.
      await flush(options);
    } catch (error) {
      if (toWeftError(error).code !== 'store-away') throw error;
      return false;
    }
    for (let tried = 0; tried < TRIES; tried++) {
      // Somebody else may have seen it there meanwhile, and the part may have come back.
      if (!spaceOf(own, network).moving.some((one) => one.cidr === move.cidr && one.to === move.to)) return true;
      const record = this.#blocks.around(network, cidr);
      const claim = carve(record, {
        from: this.#options.node.id,
        to: this.#blocks.owner(move.to),
        cidr,
      });
      const done = claim.ok
        ? await this.#blocks.swap(record, claim.record, options).catch((error: unknown) => {
            if (toWeftError(error).code !== 'store-away') throw error;
            return undefined;
          })
        : true;
      if (done === undefined) return false;
      if (done) {
        const space = spaceOf(own, network);
        const moving = space.moving.filter(({ cidr: other }) => other !== move.cidr);
        await own.append([writeSpace({ ...space, moving })]).durable;
        return true;
      }
      await view.sync(options);
    }
    return false;
  }

  async #letGo(network: string, struck: JournalOperation[], options: Options, parts?: Cidr[]): Promise<void> {
    await this.#options.own.append(struck, 'release').durable;
    // What is deleted here must not reach the store after what the next owner writes.
    await this.#options.flush(options);
    await this.#blocks.free(network, this.#options.node.id, options, parts);
  }

  #spare(request: SplitRequest): Cidr | undefined {
    const { index, poolOf } = this.#options;
    const pool = poolOf(request.network, request.pool);
    if (!pool) return undefined;
    const { table } = index.of(request.network, pool);
    const space = index.space(request.network, pool);
    if (request.address === '') return chooseCarve(space, table, request.range ? parseCidr(request.range) : undefined);
    const address = parseAddress(request.address);
    if (!address || table.get(address.value)) return undefined;
    const owned = space.spans.some(({ first, last }) => address.value >= first && address.value <= last);
    return owned ? addressPart(pool.cidr, address.value) : undefined;
  }
}
