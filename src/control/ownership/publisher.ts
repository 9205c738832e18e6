/**
 * The journal flows to the store in batches. Each compares the node's fence and moves it on to the batch's last sequence: a
 * batch whose answer was lost is recognised by the fence, and a node that was fenced, or whose disk is another's copy, writes
 * nothing at all.
 */
import type { Logger } from 'pino';
import { keys } from '../../model/keys.ts';
import type { FenceRecord } from '../../model/objects.ts';
import type { JournalEntry, JournalOperation } from '../../store/journal/port.ts';
import type { CallOptions, Store } from '../../store/port.ts';
import { isPublished } from './keys.ts';
import type { OwnRecords } from './own-records.ts';
import type { Standing } from './standing.ts';

/** of a transaction's 100, beside the fence and the compares */
const BATCH_OPERATIONS = 90;
/** of a transaction's 512 KiB */
const BATCH_BYTES = 384 * 1024;
const ENTRIES = 256;

export interface PublisherOptions {
  node: { id: string };
  store: Store;
  own: OwnRecords;
  standing: Standing;
  log: Logger;
}

export class Publisher {
  readonly #options: PublisherOptions;
  #running: Promise<void> | undefined;
  #kicked: Promise<void> | undefined;
  /** the last batch: the next try is the next round's or the next append's */
  #failed = false;
  #published: number;

  constructor(options: PublisherOptions) {
    this.#options = options;
    this.#published = options.own.journal.published;
  }

  /** The last sequence known to stand in the store. */
  get published(): number {
    return Math.max(this.#published, this.#options.standing.fence?.record.sequence ?? 0);
  }

  get idle(): boolean {
    return this.published >= this.#options.own.sequence;
  }

  /** Something was appended: it goes to the store at once when nothing is on its way already. Never rejects. */
  kick(): void {
    if (this.#kicked) return;
    this.#kicked = this.flush()
      .catch((error: unknown) => this.#options.log.debug({ err: error }, 'the journal waits for the store'))
      .finally(() => {
        this.#kicked = undefined;
        if (!this.#failed && !this.idle) this.kick();
      });
  }

  /** Ends when nothing is on its way. */
  async settled(): Promise<void> {
    while (this.#kicked) await this.#kicked;
  }

  /** All that is durable now stands in the store. Throws `store-away`, or why this node may not write. */
  async flush(options: CallOptions = {}): Promise<void> {
    const until = this.#options.own.sequence;
    while (this.published < until) {
      this.#running ??= this.#batch(options).then(
        () => this.#ended(false),
        (error: unknown) => {
          this.#ended(true);
          throw error;
        },
      );
      await this.#running;
    }
  }

  #ended(failed: boolean): void {
    this.#running = undefined;
    this.#failed = failed;
  }

  async #batch(options: CallOptions): Promise<void> {
    const { own, standing, store, node } = this.#options;
    if (!standing.isProven()) {
      await standing.prove(options);
      if (!standing.isProven()) throw standing.refusal();
    }
    await own.untilDurable();
    const fence = standing.fence;
    const batch = cut(own.journal.pending(this.published, ENTRIES));
    if (!fence || !batch) return;
    const record: FenceRecord = { ...fence.record, sequence: batch.sequence };
    const { succeeded, revision } = await store.transact(
      {
        compare: [{ key: keys.fence(node.id), revision: fence.revision }, ...standing.compare()],
        then: [...batch.operations, { put: keys.fence(node.id), value: record }],
      },
      options,
    );
    // Its own batch whose answer was lost moved the fence as well: to be read again, whoever it was.
    if (!succeeded) return standing.prove(options);
    standing.advanced(record, revision);
    own.publishedUpTo(batch.sequence, revision);
    this.#published = batch.sequence;
  }
}

interface Batch {
  sequence: number;
  operations: JournalOperation[];
}

/** As many entries as fit in one transaction, the last word for each key. */
export function cut(entries: JournalEntry[]): Batch | undefined {
  const last = new Map<string, JournalOperation>();
  let bytes = 0;
  let sequence = 0;
  for (const entry of entries) {
    const operations = entry.operations.filter((operation) => isPublished(keyOf(operation)));
    const added = operations.filter((operation) => !last.has(keyOf(operation))).length;
    const size = operations.reduce((sum, operation) => sum + sizeOf(operation), 0);
    if (sequence > 0 && (last.size + added > BATCH_OPERATIONS || bytes + size > BATCH_BYTES)) break;
    for (const operation of operations) last.set(keyOf(operation), operation);
    bytes += size;
    sequence = entry.sequence;
  }
  return sequence === 0 ? undefined : { sequence, operations: [...last.values()] };
}

function keyOf(operation: JournalOperation): string {
  return 'put' in operation ? operation.put : operation.delete;
}

function sizeOf(operation: JournalOperation): number {
  return keyOf(operation).length + ('put' in operation ? JSON.stringify(operation.value).length : 0);
}
