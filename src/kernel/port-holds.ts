/**
 * The ports of this host that lead to containers, held by sockets that are bound and never read: a daemon that starts
 * later is refused them, and one that was there first is found. They are the process's own, so they go with it, and the
 * first round of the next one takes them again.
 */
import { holdPort, NetlinkError } from 'netlink-ts';
import type { HeldPort, Namespace } from 'netlink-ts';
import { WeftError } from '../model/errors.ts';
import { formatPlace } from '../model/ports/places.ts';
import type { Place } from '../model/ports/places.ts';
import type { PlaceConflict } from '../plan/kernel-port.ts';
import { holderOfPort } from './port-holder.ts';

interface Hold {
  /** undefined: the kernel has no such sockets, and records alone tell who has the port */
  socket: HeldPort | undefined;
  /** claims that are not in the plan yet */
  pending: number;
}

export class PortHolds {
  readonly #netns: Namespace;
  readonly #holds = new Map<string, Hold>();

  constructor(netns: Namespace) {
    this.#netns = netns;
  }

  /**
   * All of them, or none and who is in the way. Whoever claims says with `settle` when the plan has them, or will not: until
   * then they are kept. Throws `invalid-argument` for an address that the host does not have.
   */
  async claim(places: readonly Place[]): Promise<{ settle: () => void } | PlaceConflict> {
    const claimed: Hold[] = [];
    const settle = () => {
      for (const hold of claimed.splice(0)) hold.pending -= 1;
    };
    for (const place of places) {
      const result = await this.#take(place);
      if ('holder' in result) {
        settle();
        return result;
      }
      result.pending += 1;
      claimed.push(result);
    }
    return { settle };
  }

  /** Lets go of what is neither wanted nor claimed, and takes what is missing; who has what cannot be taken. */
  async keep(wanted: readonly Place[]): Promise<PlaceConflict[]> {
    const keys = new Set(wanted.map(formatPlace));
    for (const [key, { socket, pending }] of this.#holds) {
      if (keys.has(key) || pending > 0) continue;
      socket?.close();
      this.#holds.delete(key);
    }
    const conflicts: PlaceConflict[] = [];
    for (const place of wanted) {
      try {
        const result = await this.#take(place);
        if ('holder' in result) conflicts.push(result);
      } catch (error) {
        if (!(error instanceof WeftError)) throw error;
        conflicts.push({ place, holder: 'nobody: the host does not have the address' });
      }
    }
    return conflicts;
  }

  close(): void {
    for (const { socket } of this.#holds.values()) socket?.close();
    this.#holds.clear();
  }

  async #take(place: Place): Promise<Hold | PlaceConflict> {
    const key = formatPlace(place);
    const had = this.#holds.get(key);
    if (had) return had;
    const hold = (reuse: boolean): Hold => {
      const made = { socket: openHold(this.#netns, place, reuse), pending: 0 };
      this.#holds.set(key, made);
      return made;
    };
    try {
      return hold(false);
    } catch (error) {
      if (!(error instanceof NetlinkError && error.code === 'EADDRINUSE')) throw error;
    }
    const holder = await holderOfPort(place);
    if (holder !== undefined) return { place, holder };
    try {
      // Nobody serves there: connections of somebody who did are still closing.
      return hold(true);
    } catch (error) {
      if (!(error instanceof NetlinkError && error.code === 'EADDRINUSE')) throw error;
      return { place, holder: 'a socket of no process that could be found' };
    }
  }
}

function openHold(netns: Namespace, place: Place, reuse: boolean): HeldPort | undefined {
  try {
    return holdPort({ netns, ...place, reuse });
  } catch (error) {
    if (!(error instanceof NetlinkError)) throw error;
    if (place.protocol === 'sctp' && ['EPROTONOSUPPORT', 'EPROTOTYPE', 'ESOCKTNOSUPPORT'].includes(error.code))
      return undefined;
    if (error.code !== 'EADDRNOTAVAIL') throw error;
    throw new WeftError('invalid-argument', `${place.address} is not an address of this host`, {
      object: formatPlace(place),
      next: 'publish on an address that the host has: ip address',
      cause: error,
    });
  }
}
