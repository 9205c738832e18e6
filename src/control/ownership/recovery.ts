/**
 * A store that came back from a backup has forgotten what nodes wrote since. Nobody claims, forgets or deletes then: each node
 * writes again what its journal says is its own, and strikes what the backup still says of it. When all have, or somebody says
 * that the rest is not waited for, one record ends the recovery for all (`weft store resume`).
 */
import type { Logger } from 'pino';
import { formatCidr } from '../../model/address/cidr.ts';
import { WeftError } from '../../model/errors.ts';
import { cidrFrom, freeBlock, mergeParts, partFor } from '../../model/ipam/blocks.ts';
import type { BlockRecord } from '../../model/ipam/blocks.ts';
import { cidrsOf, spanOf, within, without } from '../../model/ipam/spans.ts';
import { keys, prefixes } from '../../model/keys.ts';
import { newId } from '../../model/names.ts';
import type { EpochRecord, FenceRecord, RestorationRecord } from '../../model/objects.ts';
import type { CallOptions, Entry, Operation, Restoration, Store } from '../../store/port.ts';
import type { ClusterView } from '../cluster-view.ts';
import { isOwn, RECOVERING, RESTORATION } from './keys.ts';
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
  /** the top blocks of the network's pools that the part meets */
  topsOf: (network: string, part: string) => string[];
  /** forgets what was counted in the revisions of the store before it was restored */
  beginAnew: () => void;
  now: () => Date;
  log: Logger;
}

/** For which recovery this node wrote its records again, and when it had noticed that the store was restored. */
interface RecoveryMark {
  restoration: string;
  noticed: string;
  /** those it was in before, newest last: a backup may remember any of them, over or not */
  former?: string[];
}

/** of a transaction's 100 */
const BATCH = 40;
/** recoveries that a backup may still remember */
const FORMER = 32;

type Options = CallOptions & { deadline: number };

/** Not of an earlier restore, as which a backup may remember it; where the record does not say, it may be this one's. */
export function isOf({ cluster }: RestorationRecord, restored: Restoration | undefined): boolean {
  return cluster === undefined || restored === undefined || cluster === restored.after.clusterId;
}

export class Recovery {
  readonly #options: RecoveryOptions;

  constructor(options: RecoveryOptions) {
    this.#options = options;
  }

  /** One step on the way; returns true when the recovery is over for this node. */
  async round(options: Options): Promise<boolean> {
    const { view, own, store, standing, node } = this.#options;
    await view.sync(options);
    const restored = store.restored();
    const noticed = restored?.noticedAt ?? '';
    const restoration = await this.#restoration(noticed, options);
    if (!restoration) return false;
    const fence = view.value<FenceRecord>(keys.fence(node.id));
    if (fence?.recovered !== restoration.id) {
      await own.append([{ put: RECOVERING, value: this.#mark(restoration.id, noticed) }]).durable;
      await this.#assert(restoration.id, options);
    }
    if (restoration.resumedAt === undefined) return false;
    await own.append([{ put: RESTORATION, value: restoration.id }]).durable;
    // Once more, in the meantime: what was resumed is not this.
    if (store.restored() !== restored) return false;
    // Before a proof can count what this node wrote. Not where it was written: that answer may have been lost.
    this.#options.beginAnew();
    await store.acceptRestored();
    await standing.prove(options);
    return standing.isProven();
  }

  /** The recovery that is under way, for the whole cluster; the first node that notices begins it. */
  async #restoration(noticed: string, options: Options): Promise<RestorationRecord | undefined> {
    const { view, own, store, now } = this.#options;
    const key = keys.restoration;
    const found = view.value<RestorationRecord>(key);
    // One that this node has been through, or was in when the store was restored again, is part of the backup: this is another.
    const mark = own.get<RecoveryMark>(RECOVERING);
    const again = mark?.restoration === found?.id && mark?.noticed !== noticed;
    const former = found && [own.get<string>(RESTORATION), ...(mark?.former ?? [])].includes(found.id);
    const restored = store.restored();
    if (found && !former && !again && isOf(found, restored)) return found;
    const cluster = restored && { cluster: restored.after.clusterId };
    const record: RestorationRecord = { id: newId(), startedAt: now().toISOString(), ...cluster };
    const written = await store.transact(
      { compare: [{ key, revision: view.revisionOf(key) }], then: [{ put: key, value: record }] },
      options,
    );
    return written.succeeded ? record : undefined;
  }

  #mark(restoration: string, noticed: string): RecoveryMark {
    const before = this.#options.own.get<RecoveryMark>(RECOVERING);
    const former = [...(before?.former ?? [])];
    if (before && before.restoration !== restoration) former.push(before.restoration);
    return { restoration, noticed, former: former.slice(-FORMER) };
  }

  /** Everything that is this node's as its journal has it; the fence last, so that it stands for all before it. */
  async #assert(restoration: string, options: Options): Promise<void> {
    const { own, view, store, node, log, standing } = this.#options;
    const before = view.value<EpochRecord>(keys.epoch(node.id));
    const epoch = Math.max(before?.epoch ?? 1, own.journal.header.epoch);
    if (before?.epoch !== epoch) {
      const record: EpochRecord = { ...before, node: node.id, epoch };
      await this.#write([{ put: keys.epoch(node.id), value: record }], options);
    }
    const sequence = await standing.vouch();
    await this.#strike(options);
    const operations = [...(this.#options.registration?.() ?? []), ...this.#missing()];
    for (let at = 0; at < operations.length; at += BATCH) await this.#write(operations.slice(at, at + BATCH), options);
    await this.#assertSpace(epoch, options);
    const known = view.value<FenceRecord>(keys.fence(node.id));
    const fence: FenceRecord = { ...known, node: node.id, bootId: node.bootId, sequence, recovered: restoration };
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

  /**
   * What the backup says of this node and the journal does not. Read from the store, since the picture may still be of the
   * time before; an address that was given away since is written by its owner meanwhile, and stays.
   */
  async #strike(options: Options): Promise<void> {
    const { own, store, node } = this.#options;
    for (const prefix of [prefixes.endpoints, prefixes.addresses, prefixes.descriptions]) {
      const { entries } = await store.list(prefix, options);
      const stale = entries.filter(({ key, value }) => {
        return isOwn(key) && own.get(key) === undefined && (value as { node?: string }).node === node.id;
      });
      for (let at = 0; at < stale.length; at += BATCH) {
        const some = stale.slice(at, at + BATCH);
        const compare = some.map(({ key, revision }) => ({ key, revision }));
        const { succeeded } = await store.transact(
          { compare, then: some.map(({ key }) => ({ delete: key })) },
          options,
        );
        if (!succeeded) throw new WeftError('store-away', `another node writes again what is under ${prefix}`);
      }
    }
  }

  /** Space is exclusive in the journals: who had it before this node has struck it from its own. */
  async #assertSpace(epoch: number, options: Options): Promise<void> {
    const { own, store, node } = this.#options;
    const { entries } = await store.list(prefixes.blocks, options);
    const stored = new Map(entries.map((entry) => [entry.key, entry as Entry<BlockRecord>]));
    const tops = new Map<string, { network: string; cidr: string }>();
    for (const { key, value } of stored.values()) tops.set(key, value);
    for (const [, value] of own.entries('space/')) {
      const { network, parts } = value as SpaceRecord;
      for (const part of parts) {
        for (const cidr of this.#options.topsOf(network, part)) tops.set(keys.block(network, cidr), { network, cidr });
      }
    }
    for (const [key, { network, cidr }] of tops) {
      const before = stored.get(key)?.value ?? freeBlock(network, cidrFrom(cidr));
      const top = spanOf(cidrFrom(cidr));
      const mine = ownedIn(own, network).filter(({ family }) => family === cidrFrom(cidr).family);
      const owned = cidrsOf(cidrFrom(cidr).family, within(mine.map(spanOf), top));
      const others = before.parts
        .filter((part) => part.owner !== node.id)
        .flatMap((part) => {
          const left = without([spanOf(cidrFrom(part.cidr))], owned.map(spanOf));
          return cidrsOf(cidrFrom(cidr).family, left).map((rest) => ({ ...part, cidr: formatCidr(rest) }));
        });
      const parts = mergeParts([...others, ...owned.map((part) => partFor(part, { node: node.id, epoch }))]);
      const operation = parts.length === 0 ? { delete: key } : { put: key, value: { ...before, parts } };
      const compare = [{ key, revision: stored.get(key)?.revision ?? 0 }];
      const written = await store.transact({ compare, then: [operation] }, options);
      if (!written.succeeded) throw new WeftError('store-away', `the block ${cidr} is being written by another node`);
    }
  }

  async #write(then: Operation[], options: Options): Promise<void> {
    await this.#options.store.transact({ compare: [], then }, options);
  }
}
