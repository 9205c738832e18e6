/**
 * The pinned addresses that this host has for now, on its link to the others. Each has a lifetime that ends before the lease
 * by which this node leads: the kernel takes it away although weftd died or stands still, so that no two hosts have it. They
 * are known by their metric, which means nothing to an address that brings no route along. To IPv6 they are deprecated: the
 * host itself begins nothing from them.
 */
import { NetlinkError } from 'netlink-ts';
import type { InterfaceAddress, Namespace, RouteSocket } from 'netlink-ts';
import { BITS, parseAddress } from '../model/address/address.ts';
import { WeftError } from '../model/errors.ts';
import type { AddressWish, HeldAddresses } from '../plan/kernel-port.ts';
import { announce } from './announce.ts';

/** "weft" in ASCII */
export const PINNED_METRIC = 0x77656674;
/** A switch or a neighbour may miss the first. */
const ANNOUNCEMENTS = 3;

export class PinnedAddresses {
  readonly #host: { namespace: Namespace; rt: RouteSocket };
  /** announcements still to be made; of addresses that were brought here */
  readonly #held = new Map<string, number>();
  /** none is wanted, and none stands */
  #none = false;

  constructor(host: { namespace: Namespace; rt: RouteSocket }) {
    this.#host = host;
  }

  /** Throws where one that is not wanted (any more) may stand still; what is wrong with a wanted one keeps no other. */
  async ensure({ link: name, addresses, seconds }: AddressWish): Promise<HeldAddresses> {
    if (addresses.length === 0 && this.#none) return { lost: [], failures: [] };
    this.#none = false;
    const { rt } = this.#host;
    for (const address of this.#held.keys()) if (!addresses.includes(address)) this.#held.delete(address);
    const link = name === undefined ? undefined : await rt.links.get({ name });
    const found = await rt.addresses.list();
    const stands = (one: InterfaceAddress) => one.index === link?.index && addresses.includes(one.address);
    for (const one of found.filter((other) => isPinned(other) && !stands(other))) await this.#remove(one);
    this.#none = addresses.length === 0;
    if (this.#none) return { lost: [], failures: [] };
    if (!link) {
      const missing = `pinned addresses need this host's link ${name ?? ''}`;
      return { lost: [], failures: [new WeftError('kernel-refused', missing)] };
    }
    const held: HeldAddresses = { lost: [], failures: [] };
    for (const address of addresses) {
      try {
        const there = found.filter((one) => one.address === address);
        if (there.some((one) => !isPinned(one))) throw taken(address);
        const again = !there.some(stands);
        if (again && this.#held.has(address)) held.lost.push(address);
        await rt.addresses.replace({ index: link.index, ...spec(address), lifetime: seconds, deprecated: true });
        this.#announce(address, { index: link.index, mac: link.address, again });
      } catch (error) {
        held.failures.push(error instanceof Error ? error : new Error(String(error)));
      }
    }
    return held;
  }

  async #remove({ index, address, prefix }: InterfaceAddress): Promise<void> {
    this.#held.delete(address);
    try {
      await this.#host.rt.addresses.delete({ index, address, prefix });
    } catch (error) {
      // Its time was over.
      if (!(error instanceof NetlinkError && ['EADDRNOTAVAIL', 'ENODEV'].includes(error.code))) throw error;
    }
  }

  #announce(address: string, { index, mac, again }: { index: number; mac: string | undefined; again: boolean }): void {
    const left = again ? ANNOUNCEMENTS : (this.#held.get(address) ?? 0);
    this.#held.set(address, Math.max(0, left - 1));
    if (left > 0 && mac !== undefined) announce(this.#host.namespace, index, { address, mac });
  }
}

export function isPinned({ metric }: Pick<InterfaceAddress, 'metric'>): boolean {
  return metric === PINNED_METRIC;
}

function spec(address: string) {
  const family = parseAddress(address)?.family ?? 4;
  return { address, prefix: BITS[family], nodad: true, metric: PINNED_METRIC };
}

function taken(address: string): WeftError {
  return new WeftError('kernel-refused', `this host has ${address} already, and not of weft`, {
    object: address,
    next: 'take the address off the host: weft brings it to the node that leads',
  });
}
