/** How long the parts of a round took. Rounds that found nothing to do are not told: they are no part of an attach. */
import type { Phase, Timings } from '../model/timings.ts';

export class RoundTimes {
  readonly #clock: () => number;
  readonly #laps: [Phase, number][] = [];
  #last: number;
  #changed = false;

  /** `since`: when the round was asked for; undefined when nobody did */
  constructor(clock: () => number, since: number | undefined) {
    this.#clock = clock;
    this.#last = since ?? clock();
    this.lap('queue');
  }

  /** Since the last one. */
  lap(phase: Phase): void {
    const now = this.#clock();
    this.#laps.push([phase, now - this.#last]);
    this.#last = now;
  }

  changed(): void {
    this.#changed = true;
  }

  tell(timings: Pick<Timings, 'phase'> | undefined): void {
    if (this.#changed) for (const [phase, milliseconds] of this.#laps) timings?.phase(phase, milliseconds);
  }
}
