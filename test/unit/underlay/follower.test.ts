import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Underlay } from '../../../src/kernel/underlay.ts';
import { WeftError } from '../../../src/model/errors.ts';
import { UnderlayFollower } from '../../../src/underlay-follower.ts';
import { until } from '../../support/until.ts';

const at = (address: string): Underlay => ({
  ...{ address, interface: 'eth0', mtu: 1500, addresses: [address], subnets: ['192.0.2.0/24'] },
});

/** A host whose address the test changes. */
class Host {
  found: Underlay | WeftError = at('192.0.2.1');
  readonly end = new AbortController();
  readonly told: string[] = [];
  readonly asked: string[] = [];
  #wake: () => void = () => undefined;
  readonly follower = new UnderlayFollower({
    underlay: at('192.0.2.1'),
    find: (held) => {
      this.asked.push(held);
      return this.found instanceof WeftError ? Promise.reject(this.found) : Promise.resolve(this.found);
    },
    events: (_current, signal) => this.#events(signal),
    now: () => new Date(0),
    log: pino({ level: 'silent' }),
  });

  becomes(found: Underlay | WeftError): void {
    this.found = found;
    this.#wake();
  }

  async *#events(signal: AbortSignal): AsyncGenerator<string> {
    while (!signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
      yield 'address';
    }
  }
}

describe('following the address of a host', () => {
  let host: Host;
  let running: Promise<void>;

  beforeEach(async () => {
    host = new Host();
    running = host.follower.run(host.end.signal);
    await until(() => host.asked.length > 0, { what: 'the first look' });
  });

  afterEach(async () => {
    host.end.abort();
    await running;
  });

  it('tells another address to all, in order, and again until each has taken it', async () => {
    let refusals = 1;
    host.follower.onChange(({ address }) => Promise.resolve(void host.told.push(`first ${address}`)));
    host.follower.onChange(({ address }) => {
      if (refusals-- > 0) return Promise.reject(new WeftError('store-away', 'etcd does not answer'));
      return Promise.resolve(void host.told.push(`second ${address}`));
    });
    host.becomes(at('192.0.2.9'));
    await until(() => host.told.some((one) => one.startsWith('second')), { what: 'all are told' });
    expect(host.told).toEqual(['first 192.0.2.9', 'first 192.0.2.9', 'second 192.0.2.9']);
    expect(host.follower.current.address).toBe('192.0.2.9');
    host.becomes({ ...at('192.0.2.9'), mtu: 1400 });
    await until(() => host.told.length === 5, { what: 'another MTU is told too' });
  });

  it('says what is gone or ambiguous, uses what it had, and tells nobody', async () => {
    host.follower.onChange(({ address }) => Promise.resolve(void host.told.push(address)));
    for (const [code, type] of [
      ['configuration-invalid', 'vtep-gone'],
      ['underlay-ambiguous', 'underlay-ambiguous'],
    ] as const) {
      host.becomes(new WeftError(code, `the reason is ${code}`, { next: 'do this' }));
      await until(() => host.follower.conditions()[0]?.type === type, { what: type });
      expect(host.follower.conditions()).toEqual([
        {
          ...{ type, object: '192.0.2.1', since: new Date(0).toISOString() },
          message: `192.0.2.1 is gone from this host; the reason is ${code}; next: do this`,
        },
      ]);
    }
    host.becomes(at('192.0.2.1'));
    await until(() => host.follower.conditions().length === 0, { what: 'it is over' });
    expect(host.told).toEqual([]);
    expect(new Set(host.asked)).toEqual(new Set(['192.0.2.1']));
  });
});
