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

/** For which the name of who is in the way of the plan is good: to find it is to look at all processes' descriptors. */
const KNOWN = 60_000;

interface Reservation {
  /** undefined: the kernel has no such sockets, and records alone tell who has the port */
  socket: HeldPort | undefined;
  /** the plan has it */
  planned: boolean;
  /** claims that are not in the plan yet */
  pending: number;
}

export class PortReservations {
  readonly #netns: Namespace;
  readonly #clock: () => number;
  readonly #reservations = new Map<string, Reservation>();
  /** in the way of the plan */
  readonly #holders = new Map<string, { holder: string; until: number }>();

  constructor(netns: Namespace, clock: () => number = () => performance.now()) {
    this.#netns = netns;
    this.#clock = clock;
  }

  /**
   * All of them, or none and who is in the way. Whoever claims says with `settle` when the plan has them, or will not: until
   * then they are kept. Throws `invalid-argument` for an address that the host does not have, and holds none then.
   */
  async claim(places: readonly Place[]): Promise<{ settle: () => void } | PlaceConflict> {
    const claimed: Reservation[] = [];
    const settle = () => {
      for (const reservation of claimed.splice(0)) reservation.pending -= 1;
    };
    const giveUp = () => {
      settle();
      this.#letGo();
    };
    try {
      for (const place of places) {
        const taken = this.#take(place, (reservation) => {
          reservation.pending += 1;
          claimed.push(reservation);
        });
        if (taken) continue;
        giveUp();
        return { place, holder: await nameHolder(place) };
      }
    } catch (error) {
      giveUp();
      throw error;
    }
    return { settle };
  }

  /** Lets go of what is neither wanted nor claimed, and takes what is missing; who has what cannot be taken. */
  async keep(wanted: readonly Place[]): Promise<PlaceConflict[]> {
    const keys = new Set(wanted.map(formatPlace));
    for (const [key, reservation] of this.#reservations) reservation.planned = keys.has(key);
    this.#letGo();
    const conflicts: PlaceConflict[] = [];
    for (const place of wanted) {
      try {
        const taken = this.#take(place, (reservation) => (reservation.planned = true));
        if (taken) this.#holders.delete(formatPlace(place));
        else conflicts.push({ place, holder: await this.#knownHolder(place) });
      } catch (error) {
        if (!(error instanceof WeftError)) throw error;
        conflicts.push({ place, holder: 'nobody: the host does not have the address' });
      }
    }
    for (const key of this.#holders.keys()) if (!keys.has(key)) this.#holders.delete(key);
    return conflicts;
  }

  close(): void {
    for (const { socket } of this.#reservations.values()) socket?.close();
    this.#reservations.clear();
  }

  #letGo(): void {
    for (const [key, { socket, planned, pending }] of this.#reservations) {
      if (planned || pending > 0) continue;
      this.#reservations.delete(key);
      socket?.close();
    }
  }

  /** False where somebody else has it. Marked in the same step in which it is made, so that nobody lets go of it in between. */
  #take(place: Place, mark: (reservation: Reservation) => void): boolean {
    const key = formatPlace(place);
    let reservation = this.#reservations.get(key);
    if (!reservation) {
      const opened = openReservation(this.#netns, place);
      if (opened === 'taken') return false;
      reservation = { ...opened, planned: false, pending: 0 };
      this.#reservations.set(key, reservation);
    }
    mark(reservation);
    return true;
  }

  async #knownHolder(place: Place): Promise<string> {
    const key = formatPlace(place);
    const known = this.#holders.get(key);
    if (known && known.until > this.#clock()) return known.holder;
    const holder = await nameHolder(place);
    this.#holders.set(key, { holder, until: this.#clock() + KNOWN });
    return holder;
  }
}

async function nameHolder(place: Place): Promise<string> {
  return (await holderOfPort(place)) ?? 'a socket of no process that could be found';
}

/** Connections that are closing keep TCP from a port on which nobody serves: then it is shared with who asks so too. */
function openReservation(netns: Namespace, place: Place): Pick<Reservation, 'socket'> | 'taken' {
  for (const reuse of place.protocol === 'tcp' ? [false, true] : [false]) {
    try {
      return { socket: holdPort({ netns, ...place, reuse }) };
    } catch (error) {
      if (!(error instanceof NetlinkError)) throw error;
      if (place.protocol === 'sctp' && ['EPROTONOSUPPORT', 'EPROTOTYPE', 'ESOCKTNOSUPPORT'].includes(error.code))
        return { socket: undefined };
      if (error.code === 'EADDRNOTAVAIL') throw notOfThisHost(place, error);
      if (error.code !== 'EADDRINUSE') throw error;
    }
  }
  return 'taken';
}

function notOfThisHost(place: Place, cause: NetlinkError): WeftError {
  return new WeftError('invalid-argument', `${place.address} is not an address of this host`, {
    object: formatPlace(place),
    next: 'publish on an address that the host has: ip address',
    cause,
  });
}
