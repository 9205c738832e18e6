/**
 * What the port guard dropped, told once in a while. The counters are read, instead of logging packets through the kernel:
 * a container that floods must cost nobody but itself, and a reading costs the same whatever it sends.
 */
import type { Logger } from 'pino';
import type { PortDrops } from '../plan/kernel-port.ts';

/** milliseconds between two readings of a namespace */
const PAUSE = 60_000;
/** endpoints named at a time; the others are counted */
const LINES = 20;

export interface DropReader {
  namespaces(): Promise<string[]>;
  /** by port */
  drops(namespace: string): Promise<Map<string, PortDrops>>;
  forgetDrops(namespace: string): Promise<void>;
}

export class DropReports {
  readonly #kernel: DropReader;
  readonly #log: Logger;
  readonly #seen = new Map<string, { at: number; totals: Map<string, number> }>();

  constructor(kernel: DropReader, log: Logger) {
    this.#kernel = kernel;
    this.#log = log;
  }

  /** In all namespaces. A report that cannot be made is none: the next look tries again. */
  async lookAround(names: ReadonlyMap<string, string>, now: number): Promise<void> {
    try {
      for (const namespace of await this.#kernel.namespaces()) await this.look(namespace, names, now);
    } catch (error) {
      this.#log.debug({ err: error }, 'the drops of endpoints could not be read');
    }
  }

  /** `names`: endpoints by port. Logs those with more drops than at the last look, which is at least a minute ago. */
  async look(namespace: string, names: ReadonlyMap<string, string>, now: number): Promise<void> {
    const last = this.#seen.get(namespace);
    if (last && now - last.at < PAUSE) return;
    const drops = await this.#kernel.drops(namespace);
    const totals = new Map([...drops].map(([port, reasons]) => [port, total(reasons)]));
    this.#seen.set(namespace, { at: now, totals });
    const grown = [...drops].filter(([port, reasons]) => total(reasons) > (last?.totals.get(port) ?? 0));
    for (const [port, reasons] of grown.slice(0, LINES)) {
      this.#log.warn({ namespace, endpoint: names.get(port) ?? port, drops: reasons }, 'dropped what is not its own');
    }
    if ([...drops.keys()].some((port) => !names.has(port))) await this.#kernel.forgetDrops(namespace);
    const more = grown.length - LINES;
    if (more > 0) this.#log.warn({ namespace, endpoints: more }, 'dropped from more endpoints what is not their own');
  }

  forget(namespace: string): void {
    this.#seen.delete(namespace);
  }
}

function total(reasons: PortDrops): number {
  return Object.values(reasons).reduce((sum, packets) => sum + packets, 0);
}
