import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Control, WatchEvent, WatchRequest } from '../../../src/control/port.ts';
import { TestCluster } from '../../support/control.ts';
import { until } from '../../support/until.ts';

let cluster: TestCluster;
let control: Control;
let stop: AbortController;
let watching: Promise<void>;

beforeEach(async () => {
  cluster = new TestCluster();
  stop = new AbortController();
  watching = Promise.resolve();
  ({ control } = await cluster.node('host1'));
  await control.createTenant({ name: 'acme' });
});
afterEach(async () => {
  stop.abort();
  await watching;
  await cluster.close();
});

function watch(request: Partial<WatchRequest>): WatchEvent[] {
  const events: WatchEvent[] = [];
  watching = (async () => {
    for await (const event of control.watch({ kinds: [], ...request }, stop.signal)) events.push(event);
  })();
  return events;
}

const told = (events: WatchEvent[]) => events.map(({ type, kind }) => `${type} ${kind}`.trim());
const make = (name: string, labels = {}) => control.createNetwork({ tenant: 'acme', name, subnets: [], labels });

describe('watch', () => {
  it('tells what is there, that it was all, then each change, in order', async () => {
    await make('a');
    const events = watch({ kinds: ['network'] });
    await until(() => told(events).includes('synced'), { what: 'the first picture' });
    await control.updateNetwork({ ref: 'acme/a', revision: 0, labels: { x: 'y' }, reserve: [], unreserve: [] });
    await until(() => events.length === 3, { what: 'the change' });
    await control.deleteNetwork({ ref: 'acme/a', force: false });
    await until(() => events.length === 4, { what: 'the end' });
    expect(told(events)).toEqual(['added network', 'synced', 'changed network', 'removed network']);
    expect(events[3]).toMatchObject({ network: { name: 'a', labels: { x: 'y' } } });
  });

  it('goes on when the tenant it is about is deleted and made again', async () => {
    const events = watch({ kinds: ['tenant'], tenant: 'acme' });
    await until(() => events.length === 2, { what: 'the first picture' });
    await control.deleteTenant('acme');
    await until(() => events.length === 3, { what: 'the end' });
    await control.createTenant({ name: 'acme' });
    await until(() => events.length === 4, { what: 'the new one' });
    expect(told(events)).toEqual(['added tenant', 'synced', 'removed tenant', 'added tenant']);
  });

  it('shows what begins or ends to fit its labels as added and removed', async () => {
    await make('a');
    const events = watch({ kinds: ['network'], labels: ['team=x'] });
    await until(() => told(events).join() === 'synced', { what: 'the first picture' });
    for (const team of ['x', '']) {
      const before = events.length;
      await control.updateNetwork({ ref: 'acme/a', revision: 0, labels: { team }, reserve: [], unreserve: [] });
      await until(() => events.length === before + 1, { what: 'the change' });
    }
    expect(told(events)).toEqual(['synced', 'added network', 'removed network']);
  });

  it('refuses a kind or a tenant that is not', async () => {
    const first = async (request: Partial<WatchRequest>) => {
      for await (const event of control.watch({ kinds: [], ...request }, stop.signal)) return event;
    };
    await expect(first({ kinds: ['pod'] })).rejects.toMatchObject({ code: 'invalid-argument', message: /^kinds\[0\]/ });
    await expect(first({ tenant: 'nobody' })).rejects.toMatchObject({ code: 'tenant-not-found' });
  });
});

describe('update', () => {
  const update = (changes: object) =>
    control.updateNetwork({ ref: 'acme/a', revision: 0, labels: {}, reserve: [], unreserve: [], ...changes });

  it('goes by the revision it names', async () => {
    const { revision } = await make('a');
    const next = await update({ revision, labels: { a: 'b' } });
    expect(next.revision).toBeGreaterThan(revision);
    await expect(update({ revision, labels: { a: 'c' } })).rejects.toMatchObject({ code: 'changed-meanwhile' });
    expect((await control.getNetwork('acme/a')).labels).toEqual({ a: 'b' });
  });

  it('keeps addresses back and gives them free, by canonical text', async () => {
    await control.createNetwork({
      tenant: 'acme',
      name: 'a',
      subnets: [{ cidr: '10.1.0.0/24' }, { cidr: 'fd00::/64' }],
    });
    const reserved = async (changes: object) => (await update(changes)).subnets.map((subnet) => subnet.reserved);
    expect(await reserved({ reserve: ['10.1.0.16/28', 'fd00:0::9'] })).toEqual([['10.1.0.16/28'], ['fd00::9']]);
    expect(await reserved({ reserve: ['10.1.0.16/28'], unreserve: ['fd00::9'] })).toEqual([['10.1.0.16/28'], []]);
    await expect(update({ reserve: ['10.2.0.1'] })).rejects.toMatchObject({ message: /^reserve\[0\]: / });
    await expect(update({ unreserve: ['10.1.0.17'] })).rejects.toMatchObject({ message: /^unreserve\[0\]: / });
    await expect(update({ labels: { 'bad key': 'x' } })).rejects.toMatchObject({ message: /^labels\["bad key"\]: / });
  });
});

describe('references', () => {
  it('that are mistyped name what was probably meant', async () => {
    await make('frontend');
    await expect(control.getNetwork('acme/frontnd')).rejects.toThrow(/did you mean "acme\/frontend"\?/);
    await expect(control.getNetwork('amce/frontend')).rejects.toThrow(/did you mean "acme\/frontend"\?/);
    await expect(control.getTenant('other')).rejects.toThrow(/^no tenant "other"$/);
  });
});

describe('network deletion', () => {
  it('is not held up by what weft put into engines, and leaves nothing of it', async () => {
    const { id } = await make('a');
    await control.following.claimNetwork({ engine: 'E1', engineId: 'n1', network: id });
    await control.deleteNetwork({ ref: 'acme/a', force: false });
    expect(await cluster.keys('networks/', 'bindings/', 'vnis/', 'names/network/')).toEqual([]);
  });

  it('takes nothing new once it has begun', async () => {
    const { id } = await make('a');
    await control.following.claimNetwork({ engine: 'E1', engineId: 'n1', network: id });
    const { control: other } = await cluster.node('host2');
    const attach = () => other.attach({ network: 'acme/a', netns: '/run/netns/x' });
    await attach();
    const forced = control.deleteNetwork({ ref: 'acme/a', force: true });
    await until(async () => (await other.getNetwork('acme/a')).state === 'leaving', { what: 'the mark' });
    await expect(attach()).rejects.toMatchObject({ code: 'network-leaving' });
    await other.detach((await other.listEndpoints({}))[0]!.id);
    await forced;
    expect(await cluster.keys('networks/', 'endpoints/', 'bindings/')).toEqual([]);
  });
});
