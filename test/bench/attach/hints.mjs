/** When another host's kernel has what is needed to reach a new endpoint: its forwarding entry and its neighbour. */
import { performance } from 'node:perf_hooks';
import { monitorRoutes } from 'netlink-ts';
import { until } from './host.mjs';

export class HintWatch {
  #seen = new Map();
  #end = new globalThis.AbortController();
  #reading;

  /** `netns`: the tenant's namespace on that host */
  constructor(netns) {
    const events = monitorRoutes({ netns, topics: ['neighbours'], signal: this.#end.signal });
    this.#reading = this.#read(events);
  }

  /** The moment at which both stood, by `performance.now()`. */
  async reached({ address, mac }) {
    const moments = () => [`fdb ${mac}`, `neighbour ${address}`].map((key) => this.#seen.get(key));
    await until(() => moments().every((moment) => moment !== undefined), `${address} on the other host`);
    return Math.max(...moments());
  }

  async close() {
    this.#end.abort();
    await this.#reading;
  }

  async #read(events) {
    for await (const event of events) {
      const now = performance.now();
      // addresses and MACs come again: the last time counts
      if (event.change === 'new') for (const key of keysOf(event)) this.#seen.set(key, now);
      if (event.change === 'delete') for (const key of keysOf(event)) this.#seen.delete(key);
    }
  }
}

function keysOf(event) {
  if (event.kind === 'fdb' && event.entry.via === 'self') return [`fdb ${event.entry.mac}`];
  if (event.kind === 'neighbour') return [`neighbour ${event.neighbour.address}`];
  return [];
}
