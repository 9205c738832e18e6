/** The follower between a fake engine and a real control over the store in memory. */
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Control } from '../../../src/control/port.ts';
import { followEngine } from '../../../src/engines/docker/engine/follower.ts';
import { prefixes } from '../../../src/model/keys.ts';
import type { Binding } from '../../../src/model/objects.ts';
import { TestCluster } from '../../support/control.ts';
import { EDITIONS, FakeEngine } from '../../support/fake-engine.ts';
import { until } from '../../support/until.ts';

describe.each(Object.values(EDITIONS))('a Docker engine of version $version', (edition) => {
  let cluster: TestCluster;
  let engine: FakeEngine;
  let node: Awaited<ReturnType<TestCluster['node']>>;
  let control: Control;
  let stop: AbortController;
  let running: Promise<void>;

  beforeEach(async () => {
    cluster = new TestCluster();
    engine = new FakeEngine(edition);
    stop = new AbortController();
    node = await cluster.node('host1');
    ({ control } = node);
    await engine.start();
    await control.createTenant({ name: 'acme' });
  });
  afterEach(async () => {
    stop.abort();
    await running;
    await engine.remove();
    await cluster.close();
  });

  function follow(): void {
    const self = { driver: 'weft', cluster: 'C1', socketPath: engine.socketPath };
    running = followEngine({ ...self, following: control.following, log: pino({ level: 'silent' }) }, stop.signal);
  }

  const makeNetwork = (name: string) => control.createNetwork({ tenant: 'acme', name, subnets: [] });
  const names = () => engine.networks.map(({ Name }) => Name).sort();
  const engineHas = (...expected: string[]) =>
    until(() => names().join() === expected.join(), { what: `the engine to have ${expected.join(', ')}` });
  const status = async () => (await control.listEngines({}))[0];

  describe('networks', () => {
    it('made before and after are put into the engine, deleted ones taken out', async () => {
      await makeNetwork('a');
      follow();
      await engineHas('acme.a');
      await makeNetwork('b');
      await engineHas('acme.a', 'acme.b');
      await control.deleteNetwork({ ref: 'acme/a', force: false });
      await engineHas('acme.b');
      await until(async () => (await status())?.networks[0]?.state === 'present', {
        what: 'the binding to be recorded',
      });
    });

    it('one that is refused is reported with the engine’s words and does not hold up the others', async () => {
      engine.refusals.set('POST /networks/create', { status: 500, message: 'no space left' });
      await makeNetwork('a');
      follow();
      await until(async () => (await status())?.networks[0]?.reason.includes('no space left') ?? false, {
        what: 'the refusal to be reported',
      });
      engine.refusals.clear();
      await makeNetwork('b');
      await engineHas('acme.a', 'acme.b');
      await until(async () => (await status())?.networks.every(({ state }) => state === 'present') ?? false, {
        what: 'the report to be taken back',
      });
    });

    it.each(['before the driver is told', 'after the driver was told'])(
      'that a user removes while the engine is asked what it has stay away: %s',
      async (order) => {
        await makeNetwork('a');
        follow();
        const binding = () => node.deps.view.list<Binding>(prefixes.bindings)[0];
        await until(() => binding()?.synced === 'E1', { what: 'the binding to be known as made for this engine' });
        await until(async () => (await status())?.id === 'E1', { what: 'the report of the engine' });
        const engineId = binding()?.engineId ?? '';
        const tellDriver = () => control.engines.unbindNetwork({ engine: 'docker', engineId });
        let asked = 0;
        engine.meanwhile = async (call) => {
          if (call !== 'GET /networks' || ++asked > 2) return;
          if (asked === 1) engine.networks = [];
          if (asked === (order.startsWith('after') ? 1 : 2)) await tellDriver();
        };
        const event = { Type: 'network', Action: 'connect', Actor: { ID: engineId, Attributes: { type: 'weft' } } };
        engine.emit(event);
        await until(() => asked >= 1, { what: 'the engine to be asked' });
        await makeNetwork('b');
        await engineHas('acme.b');
        await until(() => asked >= 2, { what: 'the engine to be asked again' });
        expect((await status())?.networks).toContainEqual(
          expect.objectContaining({ network: 'acme/a', state: 'declined' }),
        );
        expect(names()).toEqual(['acme.b']);
      },
    );

    it('are made good again after the engine was away', async () => {
      follow();
      await until(async () => (await status())?.state === 'connected', { what: 'the session' });
      await engine.stop();
      await until(async () => (await status())?.state === 'away', { what: 'the loss to be recorded' });
      await makeNetwork('a');
      await engine.start();
      await engineHas('acme.a');
      await until(async () => (await status())?.state === 'connected', { what: 'the engine to be there again' });
      expect(await status()).toMatchObject({ version: edition.version, liveRestore: true });
    });
  });

  describe('containers', () => {
    /** An endpoint as the plugin's calls make it. */
    async function endpoint(engineId: string, endpointId: string): Promise<void> {
      const network = (await control.listNetworks({}))[0]!;
      const cidr = network.subnets[0]!.cidr;
      const names = { tenant: 'acme', network: network.name };
      const pool = { engine: 'docker', addressSpace: 'weft-local', cidr, range: '', v6: false, ...names } as const;
      const { id: poolId } = await control.engines.requestPool(pool);
      const gateway = network.subnets[0]!.gateway;
      const subnets = [{ addressSpace: 'weft-local', cidr, gateway, reserved: [] }];
      await control.engines.bindNetwork({ engine: 'docker', engineId, subnets, internal: false, ...names });
      const { address } = await control.engines.requestAddress({ poolId, address: '', gateway: false });
      const ids = { engine: 'docker', engineId, endpointId } as const;
      await control.engines.createEndpoint({
        ...ids,
        addresses: [address],
        mac: '',
        labels: { own: 'x' },
        container: null,
      });
    }
    const seen = async () => (await control.listEndpoints({}))[0];

    it('are described once they run, and again when they are renamed', async () => {
      await makeNetwork('a');
      await endpoint('n0', 'e0');
      follow();
      await until(() => engine.followed, { what: 'the session' });
      const web = engine.container('web', [{ NetworkID: 'n0', EndpointID: 'e0' }], { tier: 'front' });
      engine.containers = [web];
      engine.emit({ Type: 'container', Action: 'start', Actor: { ID: web.Id, Attributes: {} } });
      await until(async () => (await seen())?.engine.container?.name === 'web', { what: 'the name' });
      expect((await seen())?.labels).toEqual({ own: 'x', tier: 'front' });
      engine.containers = [{ ...web, Names: ['/shop'] }];
      engine.emit({ Type: 'container', Action: 'rename', Actor: { ID: web.Id, Attributes: {} } });
      await until(async () => (await seen())?.engine.container?.name === 'shop', { what: 'the new name' });
    });

    it('leave no description behind', async () => {
      await makeNetwork('a');
      await endpoint('n0', 'e0');
      engine.containers = [engine.container('web', [{ NetworkID: 'n0', EndpointID: 'e0' }])];
      follow();
      await until(async () => (await cluster.keys('labels/')).length === 1, { what: 'the description' });
      await control.engines.deleteEndpoint({ engine: 'docker', engineId: 'n0', endpointId: 'e0' });
      expect(await cluster.keys('labels/')).toEqual([]);
    });

    it('events that make no sense change nothing', async () => {
      await makeNetwork('a');
      follow();
      await engineHas('acme.a');
      for (const event of [{}, { Type: 'container' }, { Type: 7 }, { Type: 'network', Action: 'x', Actor: null }])
        engine.emit(event);
      engine.containers = [engine.container('web', [{ NetworkID: 'unknown', EndpointID: 'e9' }])];
      engine.emit({ Type: 'container', Action: 'start', Actor: { ID: engine.containers[0]!.Id } });
      await makeNetwork('b');
      await engineHas('acme.a', 'acme.b');
      expect(await cluster.keys('labels/')).toEqual([]);
    });
  });
});
