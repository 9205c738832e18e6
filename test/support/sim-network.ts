/** The wires of the simulation: messages take their time, overtake each other, get lost, and stop where a wire is cut. */
import type { Random } from './random.ts';
import type { SimClock } from './sim-clock.ts';

/** Where etcd listens, beside the names of hosts. */
export const ETCD = 'etcd';

export interface Weather {
  /** of a message */
  loss: number;
  /** of a message that takes up to `late` milliseconds */
  lateness: number;
  late: number;
  /** of a request between daemons that comes a second time */
  twice: number;
}

export const CALM: Weather = { loss: 0, lateness: 0, late: 0, twice: 0 };

export class SimNetwork {
  weather = CALM;
  readonly #clock: SimClock;
  readonly #random: Random;
  /** "a b", a < b */
  readonly #cut = new Set<string>();
  readonly #healed = new Set<(a: string, b: string) => void>();

  constructor(clock: SimClock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** `arrive` runs once, or never. */
  send(from: string, to: string, arrive: () => void): void {
    if (!this.connected(from, to) || this.#random.next() < this.weather.loss) return;
    this.#clock.schedule(this.delay(), () => {
      if (this.connected(from, to)) arrive();
    });
  }

  /** A request is sent again, as those do who did not hear the answer to the first. */
  repeats(): boolean {
    return this.weather.twice > 0 && this.#random.next() < this.weather.twice;
  }

  /** milliseconds that a message takes */
  delay(): number {
    const chance = this.#random.next();
    if (chance < this.weather.lateness) return 1 + this.#random.integer(this.weather.late);
    return chance < 0.8 ? 1 : 1 + this.#random.integer(5);
  }

  connected(a: string, b: string): boolean {
    return !this.#cut.has(wire(a, b));
  }

  cut(a: string, b: string): void {
    this.#cut.add(wire(a, b));
  }

  heal(a: string, b: string): void {
    if (!this.#cut.delete(wire(a, b))) return;
    for (const listener of this.#healed) listener(a, b);
  }

  cuts(): [string, string][] {
    return [...this.#cut].map((name) => name.split(' ') as [string, string]);
  }

  onHealed(listener: (a: string, b: string) => void): void {
    this.#healed.add(listener);
  }
}

function wire(a: string, b: string): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`;
}
