/**
 * What an etcd needs now and then: a backup each day, unused space given back, and somebody who says so when it is full. Each
 * managed member has its weftd look after it; nothing of this is done to an external etcd.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { describeCause } from '../../model/errors.ts';
import type { Condition } from '../../model/status.ts';
import type { Log } from '../log.ts';
import { isBackupDue, listBackups, makeBackup } from './backups.ts';
import type { Maintenance, MemberStatus } from './maintenance.ts';
import { hasRoom, isFilling, isTurnOf, isWorthDefragmenting, sizeText } from './space.ts';

export interface UpkeepOptions {
  maintenance: Maintenance;
  /** for backups */
  folder: string;
  /** how many backups are kept; 0: none is made */
  keep: number;
  /** bytes */
  quota: number;
  /** gives etcd another certificate */
  renew: () => Promise<void>;
  now: () => Date;
  log: Log;
}

/** milliseconds */
const INTERVAL = 60_000;
/** a small part of a certificate's life; etcd reads its files at each handshake, so that nothing is interrupted */
const RENEWAL = 24 * 3_600_000;

export class Upkeep {
  readonly #options: UpkeepOptions;
  readonly #conditions = new Map<string, Condition>();
  #renewedAt: Date;

  constructor(options: UpkeepOptions) {
    this.#options = options;
    this.#renewedAt = options.now();
  }

  /** for clients on this host */
  get endpoint(): string {
    return this.#options.maintenance.endpoint;
  }

  close(): void {
    this.#options.maintenance.close();
  }

  conditions(): Condition[] {
    return [...this.#conditions.values()];
  }

  /** Until the signal; an etcd that is away is for the store to report. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.round(signal).catch((error: unknown) => {
        if (!signal.aborted) this.#options.log.debug({ err: error }, 'the upkeep of etcd waits for it');
      });
      await sleep(INTERVAL, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  async round(signal?: AbortSignal): Promise<void> {
    const { maintenance } = this.#options;
    // first, and whatever etcd answers: without it nobody gets an answer some day
    await this.#renewCertificate();
    const status = await maintenance.status(signal);
    await this.#mendAlarms(status, signal);
    await this.#defragment(status, signal);
    await this.#backup(signal);
  }

  async #renewCertificate(): Promise<void> {
    const { renew, now, log } = this.#options;
    if (now().getTime() - this.#renewedAt.getTime() < RENEWAL) return;
    try {
      await renew();
      this.#renewedAt = now();
      this.#note('certificate-old', false, '');
    } catch (error) {
      log.warn({ err: error }, 'etcd’s certificate cannot be renewed');
      this.#note('certificate-old', true, `the certificate of etcd cannot be renewed: ${describeCause(error)}`);
    }
  }

  /** A full etcd takes no write but the ones that make room: history goes, the file shrinks, the alarm is lifted. */
  async #mendAlarms(status: MemberStatus, signal?: AbortSignal): Promise<void> {
    const { maintenance, quota, log } = this.#options;
    const raised = await maintenance.alarms(signal);
    const isFull = raised.some(({ alarm, memberId }) => alarm === 'NOSPACE' && memberId === status.memberId);
    const isCorrupt = raised.some(({ alarm }) => alarm === 'CORRUPT');
    this.#note('store-corrupt', isCorrupt, 'the members of etcd do not agree on their data: restore a backup');
    if (!isFull) {
      this.#note('store-full', false, '');
      const used = `${sizeText(status.dbSizeInUse)} of its quota of ${sizeText(quota)} are in use`;
      this.#note('store-filling', isFilling(status, quota), `${used}: delete what is not needed, or raise store.quota`);
      return;
    }
    log.warn({ dbSize: status.dbSize, quota }, 'etcd has reached its quota and takes no writes: history is given up');
    await maintenance.compact(status.revision, signal).catch((error: unknown) => {
      log.debug({ err: error }, 'there is no history to give up');
    });
    await maintenance.defragment(signal);
    const after = await maintenance.status(signal);
    if (hasRoom(after, quota)) {
      await maintenance.disarm(status.memberId, signal);
      this.#note('store-full', false, '');
      log.info({ dbSize: after.dbSize }, 'etcd has room again and takes writes');
      return;
    }
    const full = `etcd has reached its quota of ${sizeText(quota)} with ${sizeText(after.dbSizeInUse)} in use`;
    this.#note('store-full', true, `${full}; nothing can be created or changed: raise store.quota and restart weftd`);
  }

  async #defragment(status: MemberStatus, signal?: AbortSignal): Promise<void> {
    const { maintenance, quota, now, log } = this.#options;
    if (!isWorthDefragmenting(status, quota)) return;
    const members = await maintenance.members(signal);
    const ids = members.map(({ id }) => id);
    if (!isTurnOf(status.memberId, ids, now())) return;
    await maintenance.defragment(signal);
    const { dbSize } = await maintenance.status(signal);
    log.info({ before: status.dbSize, after: dbSize }, 'etcd’s database was defragmented');
  }

  async #backup(signal?: AbortSignal): Promise<void> {
    const { maintenance, folder, keep, now, log } = this.#options;
    if (keep === 0) return;
    try {
      if (!isBackupDue(await listBackups(folder), now())) return;
      const { path, bytes } = await makeBackup(maintenance, { folder, keep, now: now(), ...(signal && { signal }) });
      log.info({ path, bytes }, 'etcd was backed up');
      this.#note('backup-failed', false, '');
    } catch (error) {
      if (signal?.aborted) return;
      log.warn({ err: error }, 'etcd cannot be backed up');
      this.#note('backup-failed', true, `etcd cannot be backed up to ${folder}: ${describeCause(error)}`);
    }
  }

  #note(type: string, holds: boolean, message: string): void {
    const since = this.#conditions.get(type)?.since ?? this.#options.now().toISOString();
    if (holds) this.#conditions.set(type, { type, object: 'etcd', message, since });
    else this.#conditions.delete(type);
  }
}
