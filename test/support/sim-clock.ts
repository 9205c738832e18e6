/**
 * Time that passes only when it is told to. While installed, the global timers, `performance.now`, `Date` and the randomness
 * of ids are the simulation's; `process.nextTick` stays real: what it is told runs when no promise has anything left to do.
 */
import type { Random } from './random.ts';

interface Due {
  /** milliseconds */
  at: number;
  order: number;
  /** undefined: cancelled */
  run: (() => void) | undefined;
}

/** What `setTimeout` gives back. */
interface Timer {
  due: Due;
  ref(): Timer;
  unref(): Timer;
  hasRef(): boolean;
}

/** of the wall clock, at the beginning of a simulation */
export const DAY_ONE = Date.UTC(2026, 0, 1);

export class SimClock {
  /** monotonic, milliseconds since the beginning */
  now = 0;
  readonly #queue: Due[] = [];
  #order = 0;

  /** In so many milliseconds, after all that was told before it for the same time. */
  schedule(delay: number, run: () => void): Due {
    const due = { at: this.now + Math.max(0, Math.ceil(delay)), order: this.#order++, run };
    push(this.#queue, due);
    return due;
  }

  cancel(due: Due | undefined): void {
    if (due) due.run = undefined;
  }

  /** Lets so much time pass, with all that happens in it. */
  async advance(milliseconds: number): Promise<void> {
    const end = this.now + milliseconds;
    for (;;) {
      const first = this.#queue[0];
      if (!first || first.at > end) break;
      this.now = Math.max(this.now, first.at);
      let ran = false;
      while (this.#queue[0] && this.#queue[0].at <= this.now) {
        const { run } = pop(this.#queue);
        ran ||= run !== undefined;
        run?.();
      }
      if (ran) await this.drain();
    }
    this.now = end;
  }

  /** Everything that waits for nothing has run. */
  drain(): Promise<void> {
    return new Promise((resolve) => process.nextTick(resolve));
  }

  /** Puts itself in the place of the globals; returns how to give them back. */
  install(random: Random): () => void {
    const restores = [
      replace(globalThis, 'setTimeout', (run: (...args: unknown[]) => void, delay = 0, ...args: unknown[]) =>
        timerOf(this.schedule(Number.isFinite(delay) ? delay : 2 ** 31, () => run(...args))),
      ),
      replace(globalThis, 'clearTimeout', (timer: Timer | undefined) => this.cancel(timer?.due)),
      replace(performance, 'now', () => this.now),
      replace(AbortSignal, 'timeout', (delay: number) => {
        const controller = new AbortController();
        this.schedule(delay, () => controller.abort(new DOMException('the time is over', 'TimeoutError')));
        return controller.signal;
      }),
      replace(globalThis.crypto, 'getRandomValues', (bytes: Uint8Array) => {
        for (let i = 0; i < bytes.length; i++) bytes[i] = random.integer(256);
        return bytes;
      }),
      replace(globalThis, 'Date', this.#dates()),
    ];
    return () => {
      for (const restore of restores) restore();
    };
  }

  #dates(): DateConstructor {
    const now = () => DAY_ONE + this.now;
    return class extends Date {
      constructor(...args: unknown[]) {
        if (args.length === 0) super(now());
        else super(...(args as [number]));
      }

      static override now(): number {
        return now();
      }
    } as DateConstructor;
  }
}

function timerOf(due: Due): Timer {
  const timer: Timer = { due, ref: () => timer, unref: () => timer, hasRef: () => true };
  return timer;
}

function replace(object: object, name: string, value: unknown): () => void {
  const before = Object.getOwnPropertyDescriptor(object, name);
  Object.defineProperty(object, name, { value, configurable: true, writable: true });
  return () => {
    if (before) Object.defineProperty(object, name, before);
    else Reflect.deleteProperty(object, name);
  };
}

function isBefore(a: Due, b: Due): boolean {
  return a.at === b.at ? a.order < b.order : a.at < b.at;
}

/** A binary heap, the earliest first. */
function push(heap: Due[], due: Due): void {
  let at = heap.push(due) - 1;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    const above = heap[parent];
    if (!above || !isBefore(due, above)) break;
    heap[at] = above;
    at = parent;
  }
  heap[at] = due;
}

function pop(heap: Due[]): Due {
  const [first] = heap;
  const last = heap.pop();
  if (!first || !last) throw new RangeError('nothing is due');
  if (heap.length === 0) return first;
  let at = 0;
  for (;;) {
    const left = 2 * at + 1;
    const right = left + 1;
    const [l, r] = [heap[left], heap[right]];
    if (!l) break;
    const [child, below] = r && isBefore(r, l) ? [right, r] : [left, l];
    if (!isBefore(below, last)) break;
    heap[at] = below;
    at = child;
  }
  heap[at] = last;
  return first;
}
