/** Endpoints that come and go on a host all the while; all that is asked and answered goes into the history. */
import { setTimeout as lasting } from 'node:timers/promises';
import type { LabHost } from '../../../src/lab/lab.ts';
import { toWeftError } from '../../../src/model/errors.ts';
import type { ErrorCode } from '../../../src/model/errors.ts';
import type { Random } from '../../support/random.ts';
import { attach, detach } from '../attaching.ts';
import { NETWORK } from '../world.ts';
import type { World } from '../world.ts';
import type { Entry } from './history.ts';

/** What a history is written with: the time is added. */
export type Note = (entry: Entry extends infer One ? (One extends unknown ? Omit<One, 'at'> : never) : never) => void;

const DEADLINE = 8_000;
const [SHORTEST, LONGEST] = [50, 1_500];
/** between tries that failed */
const PAUSE = 250;
/** for what was not detached yet when the load stops */
const PATIENCE = 60_000;

export class Load {
  readonly #host: LabHost;
  readonly #number: number;
  readonly #note: Note;
  readonly #now: () => number;
  #count = 0;
  /** when nothing is tried again any more */
  #end = Infinity;
  #running: Promise<void>[] = [];
  #stopped = false;

  constructor(world: World, number: number, { note, now }: { note: Note; now: () => number }) {
    this.#host = world.lab.host(number);
    this.#number = number;
    this.#note = note;
    this.#now = now;
  }

  start(random: Random, width: number): void {
    this.#running = Array.from({ length: width }, () => this.#comeAndGo(random));
  }

  /** Ends when nothing is asked any more; some of what was attached is left. Idempotent. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#end = Math.min(this.#end, this.#now() + PATIENCE);
    await Promise.all(this.#running);
  }

  async #comeAndGo(random: Random): Promise<void> {
    while (!this.#stopped) {
      const name = `host${this.#number}-c${this.#count++}`;
      const attached = await this.#attach(name);
      await lasting(attached ? random.between(SHORTEST, LONGEST) : PAUSE);
      // what was not answered may have happened
      if (!attached || !this.#isStopped()) await this.#detach(name);
    }
  }

  #isStopped(): boolean {
    return this.#stopped;
  }

  async #attach(name: string): Promise<boolean> {
    const asked = this.#now();
    const outcome = await outcomeOf(attach(this.#host, name, DEADLINE));
    const addresses = outcome.answer?.addresses.map((cidr) => cidr.split('/')[0] ?? '') ?? [];
    this.#note({ event: 'attach', host: this.#number, name, asked, addresses, error: outcome.error });
    return outcome.error === '';
  }

  /** Until it is gone: also what a power cut left of it goes only so. */
  async #detach(name: string): Promise<void> {
    for (;;) {
      const asked = this.#now();
      const { code, error } = await outcomeOf(detach(this.#host, `${NETWORK}/${name}`, DEADLINE));
      const isGone = code === '' || code === 'endpoint-not-found';
      this.#note({ event: 'detach', host: this.#number, name, asked, error: isGone ? '' : error });
      if (isGone || this.#now() > this.#end) return;
      await lasting(PAUSE);
    }
  }
}

async function outcomeOf<T>(call: Promise<T>): Promise<{ answer?: T; code: ErrorCode | ''; error: string }> {
  try {
    return { answer: await call, code: '', error: '' };
  } catch (error) {
    const { code, message } = toWeftError(error);
    return { code, error: `${code}: ${message}` };
  }
}
