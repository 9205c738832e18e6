/** Which ports of a node an endpoint gets, from what it asks for and what others have. Pure. */
import type { Publication } from '../objects.ts';
import { addressesAsked, clash } from './places.ts';
import type { Families, Place } from './places.ts';
import type { PortWish } from './wish.ts';

/** A place that somebody has. */
export interface TakenPlace extends Place {
  holder: string;
}

export interface PortChoice {
  /** of the endpoint's addresses */
  families: Families;
  taken: readonly TakenPlace[];
  /** what the endpoint has already: kept where it is still asked for */
  had: readonly Publication[];
  /** the ports for those who ask for any, and which of them to try first */
  ephemeral: { first: number; last: number; start: number };
}

export type ChosenPorts =
  | { publications: Publication[] }
  /** `holder`: of the place in the way; undefined where the endpoint has no address of the family */
  | { refused: PortWish; holder: TakenPlace | undefined };

export function choosePorts(wishes: readonly PortWish[], choice: PortChoice): ChosenPorts {
  const publications: Publication[] = [];
  const taken = [...choice.taken];
  for (const wish of wishes) {
    const { protocol, port } = wish;
    const addresses = addressesAsked(wish.address, choice.families);
    let holder: TakenPlace | undefined;
    let chosen: number | undefined;
    for (const hostPort of addresses.length === 0 ? [] : candidates(wish, choice)) {
      const places = addresses.map((address) => ({ protocol, address, port: hostPort }));
      const inTheWay = taken.find((one) => places.some((place) => clash(place, one)));
      if (!inTheWay) {
        taken.push(...places.map((place) => ({ ...place, holder: 'the same container' })));
        chosen = hostPort;
        break;
      }
      holder ??= inTheWay;
    }
    if (chosen === undefined) return { refused: wish, holder };
    publications.push({ protocol, address: wish.address, hostPort: chosen, port });
  }
  return { publications };
}

function* candidates(wish: PortWish, { had, ephemeral }: PortChoice): Generator<number> {
  const { first, last, start } = wish.first === 0 ? ephemeral : { first: wish.first, last: wish.last, start: 0 };
  for (const one of had) {
    const same = one.protocol === wish.protocol && one.address === wish.address && one.port === wish.port;
    if (same && (wish.first === 0 || (one.hostPort >= first && one.hostPort <= last))) yield one.hostPort;
  }
  const count = last - first + 1;
  for (let i = 0; i < count; i++) yield first + ((start + i) % count);
}
