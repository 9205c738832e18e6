/** Drives one journal over a disk in memory at random, and checks after each crash that the model can explain it. */
import { setImmediate } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { openJournal } from '../../src/store/journal/journal.ts';
import type { Appended, Journal, JournalLimits, JournalOperation } from '../../src/store/journal/port.ts';
import { silentLog } from '../../src/store/log.ts';
import type { FileOperation, JournalDisk } from './journal-disk.ts';
import { JournalModel } from './journal-model.ts';
import type { Random } from './random.ts';

export const DIRECTORY = '/journal';

/** So small that logs turn, snapshots are written and entries are merged all the time. */
const LIMITS: Partial<JournalLimits> = { logBytes: 1500, reserveBytes: 4096, pendingEntries: 8, mergedOperations: 6 };

export class JournalDriver {
  readonly model = new JournalModel();
  readonly #disk: JournalDisk;
  readonly #random: Random;
  #boot = 0;
  journal: Journal | undefined;

  constructor(disk: JournalDisk, random: Random) {
    this.#disk = disk;
    this.#random = random;
  }

  /** One life of the process: what it does ends with its work, or in the middle of its `operations`th operation on the disk. */
  async life(operations: number, interrupt: (operation: FileOperation) => void): Promise<void> {
    let left = operations;
    const over = new Promise<void>((resolve) => {
      this.#disk.onOperation = (operation) => {
        if (left-- > 0) return;
        try {
          interrupt(operation);
        } finally {
          resolve();
        }
      };
    });
    await Promise.race([this.#work(), over]);
    // whoever was told that something is durable has heard it
    await setImmediate();
    this.#disk.onOperation = undefined;
  }

  /** @throws when what is found cannot be explained */
  async open(): Promise<Journal> {
    const header = { node: 'n', machineId: 'm', bootId: 'b', epoch: this.#boot };
    const journal = await openJournal({
      directory: DIRECTORY,
      files: this.#disk.files(),
      header,
      log: silentLog,
      limits: LIMITS,
    });
    this.model.recovered(journal);
    this.journal = journal;
    return journal;
  }

  async #work(): Promise<void> {
    const journal = await this.open();
    if (this.#random.integer(3) === 0) {
      await journal.rebind({ ...journal.header, epoch: ++this.#boot }).catch(() => undefined);
    }
    for (let step = this.#random.integer(30); step > 0 && !journal.failure; step--) await this.#step(journal);
    if (this.#random.integer(3) === 0) await journal.close();
  }

  async #step(journal: Journal): Promise<void> {
    // taken back this very moment: the model hears of it by the rejections
    if (journal.sequence !== this.model.sequence) await setImmediate();
    const appended = Array.from({ length: this.#random.integer(4) }, () => this.#append(journal));
    if (!journal.failure && !isDeepStrictEqual(new Map(journal.entries()), this.model.records)) {
      throw new Error('memory is not what was appended');
    }
    if (this.#random.integer(3) > 0)
      await Promise.allSettled(appended.flatMap((entry) => (entry ? [entry.durable] : [])));
    if (this.#random.integer(3) === 0) {
      journal.publishedUpTo(journal.published + this.#random.integer(journal.durable - journal.published + 1));
    }
    if (!journal.failure) this.model.checkPending(journal);
  }

  #append(journal: Journal): Appended | undefined {
    const operations = this.#operations();
    let appended: Appended;
    try {
      appended = journal.append(operations, this.#random.integer(3) === 0 ? 'release' : 'normal');
    } catch {
      return undefined;
    }
    this.model.appended(appended.sequence, operations);
    appended.durable.then(
      () => this.model.becameDurable(appended.sequence),
      () => this.model.rejected(appended.sequence),
    );
    return appended;
  }

  #operations(): JournalOperation[] {
    return Array.from({ length: 1 + this.#random.integer(3) }, () => {
      const key = `k/${this.#random.integer(12)}`;
      if (this.#random.integer(3) === 0) return { delete: key };
      return { put: key, value: { n: this.#random.integer(1e6), text: 'x'.repeat(this.#random.integer(400)) } };
    });
  }
}
