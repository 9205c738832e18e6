import { Writable } from 'node:stream';
import pino from 'pino';
import { describe, expect, it } from 'vitest';
import { DropReports } from '../../../src/reconcile/drops.ts';

const NAMES = new Map([['we1', 'endpoint-1']]);

function reports() {
  const lines: Record<string, unknown>[] = [];
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(JSON.parse(chunk.toString()) as Record<string, unknown>);
      done();
    },
  });
  const drops = new Map<string, Record<string, number>>();
  const forgotten: string[] = [];
  const kernel = {
    namespaces: () => Promise.resolve(['acme']),
    drops: () => Promise.resolve(new Map(drops)),
    forgetDrops: (namespace: string) => {
      forgotten.push(namespace);
      return Promise.resolve();
    },
  };
  return { lines, drops, forgotten, look: new DropReports(kernel, pino({}, sink)) };
}

describe('reports of drops', () => {
  it('name the endpoint and the reasons, once for what did not grow', async () => {
    const { lines, drops, look } = reports();
    drops.set('we1', { 'source-mac': 3 });
    await look.look('acme', NAMES, 0);
    await look.look('acme', NAMES, 60_000);
    expect(lines).toMatchObject([{ namespace: 'acme', endpoint: 'endpoint-1', drops: { 'source-mac': 3 } }]);
  });

  it('end for endpoints that are gone', async () => {
    const { drops, forgotten, look } = reports();
    drops.set('we1', { arp: 1 });
    await look.look('acme', NAMES, 0);
    expect(forgotten).toEqual([]);
    drops.set('we2', { arp: 1 });
    await look.look('acme', NAMES, 60_000);
    expect(forgotten).toEqual(['acme']);
  });

  it('come once a minute and namespace, however often it is looked', async () => {
    const { lines, drops, look } = reports();
    for (let now = 0; now < 180_000; now += 1_000) {
      drops.set('we1', { arp: now + 1 });
      await look.look('acme', NAMES, now);
    }
    expect(lines).toHaveLength(3);
  });

  it('count the endpoints beyond those that they name', async () => {
    const { lines, drops, look } = reports();
    for (let i = 0; i < 50; i++) drops.set(`we${i}`, { rate: 1 });
    await look.look('acme', NAMES, 0);
    expect(lines).toHaveLength(21);
    expect(lines.at(-1)).toMatchObject({ namespace: 'acme', endpoints: 30 });
  });
});
