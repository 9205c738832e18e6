/**
 * Tells a managed etcd which certificates count no more. It judges by the CA alone otherwise, and a forgotten node would
 * keep the whole store in reach for as long as its certificate lives.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { describeCause } from './model/errors.ts';
import type { Authority } from './trust/authority.ts';
import { readRevocations, signRevocations } from './trust/certificate.ts';

export interface RevocationOptions {
  authority: Authority;
  etcd: { revocations(): Promise<string>; revoke(list: string): Promise<void> };
  /** serials of the certificates of forgotten nodes, in hex */
  revoked: () => string[];
  log: Logger;
}

/** milliseconds */
const LOOK = 60_000;

export class Revocation {
  readonly #options: RevocationOptions;
  #running: Promise<void> = Promise.resolve();

  constructor(options: RevocationOptions) {
    this.#options = options;
  }

  /** Until the signal: whatever failed is made good. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.update();
      await delay(LOOK, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  /** To be called when nodes were forgotten. Never rejects. */
  update(): Promise<void> {
    this.#running = this.#running.then(() =>
      this.#update().catch((error: unknown) => {
        const reason = describeCause(error);
        this.#options.log.error({ reason }, 'etcd could not be told of revoked certificates');
      }),
    );
    return this.#running;
  }

  /** Serials that are gone have expired: no reason to disturb etcd. */
  async #update(): Promise<void> {
    const { authority, etcd, revoked, log } = this.#options;
    const told = readable(await etcd.revocations().catch(() => ''));
    const serials = revoked();
    if (told && serials.every((serial) => told.has(serial))) return;
    await etcd.revoke(await signRevocations(authority.signer, serials, authority.now()));
    log.info({ count: serials.length }, 'etcd refuses the certificates of forgotten nodes');
  }
}

/** undefined for a list that is damaged or gone, by which etcd refuses everybody. */
function readable(list: string): Set<string> | undefined {
  try {
    return new Set(readRevocations(list));
  } catch {
    return undefined;
  }
}
