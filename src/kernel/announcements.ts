/**
 * Announcements that the port guard did not let through (port-guard/claims.ts), out of the log group of each tenant's namespace.
 * What is missed is announced again by whoever means it; nothing is asked of the kernel for it.
 */
import { openPacketLog } from 'netlink-ts';
import type { LoggedPacket, Namespace, PacketLogEvent } from 'netlink-ts';
import { formatAddress } from '../model/address/address.ts';
import type { AddressClaim } from '../plan/port-guard/claim.ts';
import { FollowedNamespaces } from './followed.ts';
import { Mailbox } from './mailbox.ts';
import { CLAIMS_GROUP } from './port-guard/claims.ts';

/** claims that wait to be read; the guard lets few through, and more would be old news */
const MOST = 1_024;
const ARP = 0x0806;
const IPV6 = 0x86dd;
/** from the network header on */
const ARP_SENDER = 14;
const ND_TARGET = 48;

export class AnnouncementLog {
  readonly #followed = new FollowedNamespaces();
  readonly #claims = new Mailbox<AddressClaim>();
  readonly #failed: (error: unknown) => void;

  /** `failed`: a namespace is followed no more; told once each */
  constructor(failed: (error: unknown) => void) {
    this.#failed = failed;
  }

  /** Idempotent; a namespace bound anew under the same name is followed anew. */
  follow(name: string, namespace: Namespace): void {
    const signal = this.#followed.begin(name, namespace);
    if (!signal) return;
    this.#read(name, namespace, signal).catch((error: unknown) => {
      if (signal.aborted) return;
      // The next plan of the namespace follows it again.
      this.#followed.forget(name);
      this.#failed(error);
    });
  }

  forget(name: string): void {
    this.#followed.forget(name);
  }

  close(): void {
    this.#followed.close();
  }

  /** One reader; ends with the signal. */
  claims(signal: AbortSignal): AsyncIterable<AddressClaim> {
    return this.#claims.read(signal);
  }

  async #read(name: string, namespace: Namespace, signal: AbortSignal): Promise<void> {
    const events = await openPacketLog({ group: CLAIMS_GROUP, threshold: 1, netns: namespace.fd, signal });
    for await (const event of events) this.#accept(name, event);
  }

  #accept(namespace: string, event: PacketLogEvent): void {
    const claim = event.kind === 'packet' ? claimOf(event.packet) : undefined;
    if (claim && this.#claims.waiting.length < MOST) this.#claims.post({ namespace, ...claim, at: performance.now() });
  }
}

/** Undefined for what no rule of ours logs. */
export function claimOf({
  protocol,
  payload,
  hardwareAddress,
}: LoggedPacket): Omit<AddressClaim, 'namespace' | 'at'> | undefined {
  if (hardwareAddress === undefined) return undefined;
  const [at, length] = protocol === ARP ? [ARP_SENDER, 4] : [ND_TARGET, 16];
  if ((protocol !== ARP && protocol !== IPV6) || payload.length < at + length) return undefined;
  const value = BigInt(`0x${payload.toString('hex', at, at + length)}`);
  return { address: formatAddress({ family: protocol === ARP ? 4 : 6, value }), mac: hardwareAddress };
}
