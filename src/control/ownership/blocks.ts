/** The blocks of the store: read from the picture, changed one at a time by compare-and-swap. */
import { formatCidr } from '../../model/address/cidr.ts';
import type { Cidr } from '../../model/address/cidr.ts';
import { cidrFrom, freeBlock, ownedParts } from '../../model/ipam/blocks.ts';
import type { BlockRecord, Owner } from '../../model/ipam/blocks.ts';
import { giveBackAll } from '../../model/ipam/claims.ts';
import { spanOf } from '../../model/ipam/spans.ts';
import { keys, prefixes } from '../../model/keys.ts';
import type { CallOptions } from '../../store/port.ts';
import type { SpaceOptions } from './space-options.ts';

/** How often a lost race for one block is tried again. */
export const TRIES = 8;

/** Of whoever changes what this node owns in the network. */
export function turnOf(network: string): string {
  return `space/${network}`;
}

type Options = CallOptions & { deadline: number };

export class Blocks {
  readonly #options: Pick<SpaceOptions, 'store' | 'view' | 'standing'>;

  constructor(options: Pick<SpaceOptions, 'store' | 'view' | 'standing'>) {
    this.#options = options;
  }

  /** True when the block was still as `before`; the picture has the change then. */
  async swap(
    before: BlockRecord,
    after: BlockRecord,
    options: Options,
    more: { key: string; revision: number }[] = [],
  ): Promise<boolean> {
    const { store, view, standing } = this.#options;
    const key = keys.block(before.network, before.cidr);
    const written = await store.transact(
      {
        compare: [{ key, revision: view.revisionOf(key) }, ...more, ...standing.compare()],
        then: [after.parts.length === 0 ? { delete: key } : { put: key, value: after }],
      },
      options,
    );
    if (written.succeeded) await view.reached(written.revision, options.deadline, options.signal);
    // A store from a backup is told by the journals who owns what, perhaps already: this would come too late.
    if (standing.state === 'recovering') throw standing.refusal();
    return written.succeeded;
  }

  owner(node: string): Owner {
    return { node, epoch: this.#options.view.value<{ epoch: number }>(keys.epoch(node))?.epoch ?? 1 };
  }

  /** A block that nobody has written is free. */
  at(network: string, top: Cidr): BlockRecord {
    return this.#options.view.value<BlockRecord>(keys.block(network, formatCidr(top))) ?? freeBlock(network, top);
  }

  /** The one that the part lies in. */
  around(network: string, part: Cidr): BlockRecord {
    const records = this.#options.view.list<BlockRecord>(prefixes.blocksOf(network));
    return records.find((record) => meets(cidrFrom(record.cidr), part)) ?? freeBlock(network, part);
  }

  /** Differs whenever any block of the network has changed. */
  seen(network: string): string {
    const { view } = this.#options;
    return view
      .keys(prefixes.blocksOf(network))
      .map((key) => `${key}@${view.revisionOf(key)}`)
      .join();
  }

  /** Gives back all that the node owns; with `parts`, in the blocks that they lie in. */
  async free(network: string, node: string, options: Options, parts?: Cidr[]): Promise<void> {
    const { view } = this.#options;
    for (let tried = 0; tried < TRIES; tried++) {
      const owned = view.keys(prefixes.blocksOf(network)).filter((key) => {
        const record = view.value<BlockRecord>(key);
        if (!record || ownedParts(record, node).length === 0) return false;
        return parts?.some((part) => meets(cidrFrom(record.cidr), part)) ?? true;
      });
      if (owned.length === 0) return;
      let raced = false;
      for (const key of owned) {
        const record = view.value<BlockRecord>(key);
        if (record) raced = !(await this.swap(record, giveBackAll(record, node), options)) || raced;
      }
      if (raced) await view.sync(options);
    }
  }
}

function meets(a: Cidr, b: Cidr): boolean {
  const [one, other] = [spanOf(a), spanOf(b)];
  return a.family === b.family && one.first <= other.last && other.first <= one.last;
}
