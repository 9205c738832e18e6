/**
 * Announcements that the port guard did not let through (port-guard/claims.ts), out of the log group of each tenant's namespace.
 * What is missed is announced again by whoever means it; nothing is asked of the kernel for it.
 */
import { openPacketLog } from 'netlink-ts';
import type { LoggedPacket, Namespace, PacketLogEvent } from 'netlink-ts';
import { formatAddress } from '../model/address/address.ts';
import type { AddressClaim } from '../plan/port-guard/claim.ts';
import { CLAIMS_GROUP } from './port-guard/claims.ts';

/** claims that wait to be read; the guard lets few through, and more would be old news */
const MOST = 1_024;
const ARP = 0x0806;
const IPV6 = 0x86dd;
/** from the network header on */
const ARP_SENDER = 14;
const ND_TARGET = 48;

export class ClaimLog {
  readonly #followed = new Map<string, { inode: number; stop: AbortController }>();
  readonly #failed: (error: unknown) => void;
  #queue: AddressClaim[] = [];
  #wake: (() => void) | undefined;

  /** `failed`: a namespace is followed no more; told once each */
  constructor(failed: (error: unknown) => void) {
    this.#failed = failed;
  }

  /** Idempotent; a namespace bound anew under the same name is followed anew. */
  follow(name: string, namespace: Namespace): void {
    const known = this.#followed.get(name);
    if (known?.inode === namespace.inode) return;
    known?.stop.abort();
    const stop = new AbortController();
    this.#followed.set(name, { inode: namespace.inode, stop });
    this.#read(name, namespace, stop.signal).catch((error: unknown) => {
      if (stop.signal.aborted) return;
      // The next plan of the namespace follows it again.
      this.#followed.delete(name);
      this.#failed(error);
    });
  }

  forget(name: string): void {
    this.#followed.get(name)?.stop.abort();
    this.#followed.delete(name);
  }

  close(): void {
    for (const name of [...this.#followed.keys()]) this.forget(name);
  }

  /** One reader; ends with the signal. */
  async *claims(signal: AbortSignal): AsyncIterable<AddressClaim> {
    signal.addEventListener('abort', () => this.#wake?.(), { once: true });
    while (!signal.aborted) {
      const claims = this.#queue;
      this.#queue = [];
      yield* claims;
      if (claims.length > 0) continue;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        if (signal.aborted) resolve();
      });
      this.#wake = undefined;
    }
  }

  async #read(name: string, namespace: Namespace, signal: AbortSignal): Promise<void> {
    const events = await openPacketLog({ group: CLAIMS_GROUP, threshold: 1, netns: namespace.fd, signal });
    for await (const event of events) this.#accept(name, event);
  }

  #accept(namespace: string, event: PacketLogEvent): void {
    const claim = event.kind === 'packet' ? claimOf(event.packet) : undefined;
    if (!claim || this.#queue.length >= MOST) return;
    this.#queue.push({ namespace, ...claim });
    this.#wake?.();
  }
}

/** Undefined for what no rule of ours logs. */
export function claimOf({
  protocol,
  payload,
  hardwareAddress,
}: LoggedPacket): Omit<AddressClaim, 'namespace'> | undefined {
  if (hardwareAddress === undefined) return undefined;
  const [at, length] = protocol === ARP ? [ARP_SENDER, 4] : [ND_TARGET, 16];
  if ((protocol !== ARP && protocol !== IPV6) || payload.length < at + length) return undefined;
  const value = BigInt(`0x${payload.toString('hex', at, at + length)}`);
  return { address: formatAddress({ family: protocol === ARP ? 4 : 6, value }), mac: hardwareAddress };
}
