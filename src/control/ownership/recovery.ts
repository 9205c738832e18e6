/**
 * A store that came back from a backup has forgotten what nodes wrote since. Nobody claims, forgets or deletes then: each node
 * writes again what its journal says is its own, and strikes what the backup still says of it. When all have, or somebody says
 * that the rest is not waited for, one record ends the recovery for all (`weft store resume`).
 */
import type { Logger } from 'pino';
import { WeftError } from '../../model/errors.ts';
import { cidrFrom, freeBlock, mergeParts, partFor } from '../../model/ipam/blocks.ts';
import type { BlockRecord } from '../../model/ipam/blocks.ts';
import { cidrsOf, spanOf, within, without } from '../../model/ipam/spans.ts';
import { keys, prefixes } from '../../model/keys.ts';
import { newId } from '../../model/names.ts';
import type { EpochRecord, FenceRecord, RestorationRecord } from '../../model/objects.ts';
import type { CallOptions, Operation, Store } from '../../store/port.ts';
import type { ClusterView } from '../cluster-view.ts';
import { isOwn, RESTORATION } from './keys.ts';
import type { OwnRecords } from './own-records.ts';
import { ownedIn } from './space-records.ts';
import type { SpaceRecord } from './space-records.ts';
import type { Standing } from './standing.ts';

export interface RecoveryOptions {
  node: { id: string; name: string; bootId: string };
  store: Store;
  view: ClusterView;
  own: OwnRecords;
  standing: Standing;
  /** what this node's registration consists of */
  registration?: () => Operation[];
  /** the top block of a pool of the network that the part lies in */
  topOf: (network: string, part: string) => string | undefined;
  now: () => Date;
  log: Logger;
}

/** of a transaction's 100 */
const BATCH = 40;

type Options = CallOptions & { deadline: number };

export class Recovery {
  readonly #options: RecoveryOptions;

  constructor(options: RecoveryOptions) {
    this.#options = options;
  }

  /** One step on the way; returns true when the recovery is over for this node. */
  async round(options: Options): Promise<boolean> {
    const { view, own, store, standing, node } = this.#options;
    await view.sync(options);
    const restoration = await this.#restoration(options);
    if (!restoration) return false;
    const fence = view.value<FenceRecord>(keys.fence(node.id));
    if (fence?.recovered !== restoration.id) await this.#assert(restoration.id, options);
    if (restoration.resumedAt === undefined) return false;
    await own.append([{ put: RESTORATION, value: restoration.id }]).durable;
    await store.acceptRestored();
    await standing.prove(options);
    return standing.isProven();
  }

  /** The recovery that is under way, for the whole cluster; the first node that notices begins it. */
  async #restoration(options: Options): Promise<RestorationRecord | undefined> {
    const { view, own, store, now } = this.#options;
    const key = keys.restoration;
    const found = view.value<RestorationRecord>(key);
    // One that this node has been through is part of the backup: this is another.
    if (found && found.id !== own.get<string>(RESTORATION)) return found;
    const record: RestorationRecord = { id: newId(), startedAt: now().toISOString() };
    const written = await store.transact(
      { compare: [{ key, revision: view.revisionOf(key) }], then: [{ put: key, value: record }] },
      options,
    );
    return written.succeeded ? record : undefined;
  }

  /** Everything that is this node's as its journal has it; the fence last, so that it stands for all before it. */
  async #assert(restoration: string, options: Options): Promise<void> {
    const { own, view, store, node, log, standing } = this.#options;
    const before = view.value<EpochRecord>(keys.epoch(node.id));
    const epoch = Math.max(before?.epoch ?? 1, own.journal.header.epoch);
    if (before?.epoch !== epoch) {
      const record: EpochRecord = { node: node.id, epoch };
      await this.#write([{ put: keys.epoch(node.id), value: record }], options);
    }
    const { sequence } = own;
    const operations = [...(this.#options.registration?.() ?? []), ...this.#missing(), ...this.#stale()];
    for (let at = 0; at < operations.length; at += BATCH) await this.#write(operations.slice(at, at + BATCH), options);
    await this.#assertSpace(epoch, options);
    const fence: FenceRecord = { node: node.id, bootId: node.bootId, sequence, recovered: restoration };
    const { revision } = await store.transact(
      { compare: [], then: [{ put: keys.fence(node.id), value: fence }] },
      options,
    );
    standing.advanced(fence, revision);
    own.publishedUpTo(fence.sequence, revision);
    log.warn({ records: operations.length }, 'wrote again to the restored store what this node owns');
  }

  #missing(): Operation[] {
    const { own } = this.#options;
    return [...own.entries()].flatMap(([key, value]) => (isOwn(key) ? [{ put: key, value }] : []));
  }

  /** What the backup says of this node and the journal does not. */
  #stale(): Operation[] {
    const { own, view, node } = this.#options;
    return [prefixes.endpoints, prefixes.addresses, prefixes.descriptions].flatMap((prefix) =>
      view
        .keys(prefix)
        .filter(
          (key) => isOwn(key) && own.get(key) === undefined && view.value<{ node: string }>(key)?.node === node.id,
        )
        .map((key) => ({ delete: key })),
    );
  }

  /** Space is exclusive in the journals: who had it before this node has struck it from its own. */
  async #assertSpace(epoch: number, options: Options): Promise<void> {
    const { own, view, node } = this.#options;
    const tops = new Map<string, { network: string; cidr: string }>();
    for (const record of view.list<BlockRecord>(prefixes.blocks))
      tops.set(keys.block(record.network, record.cidr), record);
    for (const [, value] of own.entries('space/')) {
      const { network, parts } = value as SpaceRecord;
      for (const part of parts) {
        const cidr = this.#options.topOf(network, part);
        if (cidr !== undefined) tops.set(keys.block(network, cidr), { network, cidr });
      }
    }
    for (const [key, { network, cidr }] of tops) {
      const before = view.value<BlockRecord>(key) ?? freeBlock(network, cidrFrom(cidr));
      const top = spanOf(cidrFrom(cidr));
      const mine = ownedIn(own, network).filter(({ family }) => family === cidrFrom(cidr).family);
      const owned = cidrsOf(cidrFrom(cidr).family, within(mine.map(spanOf), top));
      const others = before.parts
        .filter((part) => part.owner !== node.id)
        .flatMap((part) => {
          const left = without([spanOf(cidrFrom(part.cidr))], owned.map(spanOf));
          return cidrsOf(cidrFrom(cidr).family, left).map((rest) =>
            partFor(rest, { node: part.owner, epoch: part.epoch }),
          );
        });
      const parts = mergeParts([...others, ...owned.map((part) => partFor(part, { node: node.id, epoch }))]);
      const operation = parts.length === 0 ? { delete: key } : { put: key, value: { ...before, parts } };
      const compare = [{ key, revision: view.revisionOf(key) }];
      const written = await this.#options.store.transact({ compare, then: [operation] }, options);
      if (!written.succeeded) throw new WeftError('store-away', `the block ${cidr} is being written by another node`);
    }
  }

  async #write(then: Operation[], options: Options): Promise<void> {
    await this.#options.store.transact({ compare: [], then }, options);
  }
}
