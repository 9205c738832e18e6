/** The steps at which a test can end weftd: each is reached by the use case that it names, and nothing else arms one. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FAILPOINTS } from '../../src/control/failpoints.ts';
import type { Failpoint } from '../../src/control/failpoints.ts';
import { armFailpoints } from '../../src/failpoints.ts';
import { TestCluster } from '../support/control.ts';
import { FakeDockerd } from '../support/fake-dockerd.ts';
import { startPlugin } from './docker/plugin.ts';

const armed = (text: string, test = '1') => {
  const signals: string[] = [];
  const at = armFailpoints({ WEFT_FAILPOINTS: text, WEFT_TEST: test }, (signal) => signals.push(signal));
  return { at, signals };
};

describe('WEFT_FAILPOINTS', () => {
  it('is read beside WEFT_TEST=1 only', () => {
    expect(armed('join.recorded=kill', '').at).toBeUndefined();
    expect(armed('nonsense', '').at).toBeUndefined();
    expect(armed('').at).toBeUndefined();
    expect(armFailpoints({ WEFT_TEST: '1' })).toBeUndefined();
  });

  it('ends or stops the daemon at the steps it names, and at no other', async () => {
    const { at, signals } = armed('join.recorded=kill,docker.Leave=pause');
    await at?.('join.plumbed');
    expect(signals).toEqual([]);
    await at?.('docker.Leave');
    await at?.('join.recorded');
    expect(signals).toEqual(['SIGSTOP', 'SIGKILL']);
  });

  it.each([
    ['join.recorder=kill', 'join.recorded'],
    ['join.recorded', 'kill or pause'],
    ['join.recorded=exit', 'kill or pause'],
    ['join.recorded=kill=1', 'kill or pause'],
    ['join.recorded=kill,', '""'],
  ])('refuses %s, and says what it may be', (text, hint) => {
    expect(() => armed(text)).toThrow(
      expect.objectContaining({
        code: 'configuration-invalid',
        object: 'WEFT_FAILPOINTS',
        message: expect.stringContaining(hint) as string,
      }),
    );
  });
});

describe('the steps', () => {
  let cluster: TestCluster;
  beforeEach(() => {
    cluster = new TestCluster();
  });
  afterEach(() => cluster.close());

  it('are all reached, in the order of what Docker and a user do', async () => {
    const reached: Failpoint[] = [];
    const at = (step: Failpoint) => {
      reached.push(step);
      return undefined;
    };
    const { control, deps } = await cluster.node('host1');
    deps.at = at;
    const plugin = await startPlugin(control.engines, { at, deadline: 60_000 });
    const since = () => reached.splice(0);
    const seen = new Set<Failpoint>();
    const expectSteps = (...steps: Failpoint[]) => {
      for (const step of reached) seen.add(step);
      expect(since()).toEqual(steps);
    };
    try {
      const dockerd = new FakeDockerd({ socketPath: plugin.socketPath, version: 20 });
      await dockerd.activate();
      expectSteps();
      await dockerd.createNetwork({ name: 'web', v4: [{ cidr: '10.10.0.0/16' }] });
      expectSteps(
        ...(['docker.RequestPool', 'pool.recorded', 'docker.RequestAddress', 'address.recorded'] as const),
        ...(['docker.CreateNetwork', 'network.recorded'] as const),
      );
      await dockerd.run('one', ['web']);
      expectSteps(
        ...(['docker.RequestAddress', 'address.recorded', 'docker.CreateEndpoint', 'endpoint.recorded'] as const),
        ...(['docker.Join', 'join.recorded', 'join.plumbed', 'docker.ProgramExternalConnectivity'] as const),
      );
      await dockerd.stop('one');
      expectSteps(
        ...(['docker.RevokeExternalConnectivity', 'docker.Leave', 'docker.DeleteEndpoint'] as const),
        ...(['detach.recorded', 'docker.ReleaseAddress', 'address.released'] as const),
      );
      await dockerd.removeNetwork('web');
      for (const step of reached) seen.add(step);
      expect(since()).toEqual(
        expect.arrayContaining(['docker.ReleasePool', 'pool.released', 'network.unbound', 'network.dropped']),
      );
      await control.createTenant({ name: 'acme' });
      await control.createNetwork({ tenant: 'acme', name: 'web', subnets: [{ cidr: '10.11.0.0/16' }] });
      const { id } = await control.attach({ network: 'acme/web', netns: '/run/netns/one' });
      expectSteps('attach.recorded', 'attach.plumbed');
      await control.detach(id);
      expectSteps('detach.recorded', 'detach.applied');
      expect([...seen].sort()).toEqual([...FAILPOINTS].sort());
    } finally {
      await plugin.close();
    }
  });
});
