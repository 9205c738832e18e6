import { createSocket } from 'node:dgram';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { assertOverlayPortFree } from '../../src/kernel/overlay-port.ts';
import { findUnderlay, hostRoutes } from '../../src/kernel/underlay.ts';
import { inside, TestUnderlay } from '../support/host-namespaces.ts';
import type { TestHost } from '../support/host-namespaces.ts';

describe('findUnderlay', () => {
  let underlay: TestUnderlay;
  let host: TestHost;
  const ip = (text: string) => inside(host.path, 'ip', ...text.split(' '));

  beforeEach(() => {
    underlay = new TestUnderlay('facts');
    host = underlay.addHost();
  });

  afterEach(() => {
    underlay.remove();
  });

  it('takes the interface of the default route, whatever else has addresses', async () => {
    ip('link add docker0 type bridge');
    ip('address add 172.17.0.1/16 dev docker0');
    ip('link set docker0 up');
    // Only veths and bridges here, which are nothing to guess by.
    await expect(findUnderlay({}, { netns: host.path })).rejects.toMatchObject({ code: 'configuration-invalid' });
    ip('route add default via 192.0.2.254');
    expect(await findUnderlay({}, { netns: host.path })).toEqual({
      ...{ address: '192.0.2.1', interface: 'eth0', mtu: 1500 },
      addresses: ['192.0.2.1', '2001:db8::1'],
      subnets: ['192.0.2.0/24', '2001:db8::/64'],
    });
    ip('-6 route add default via 2001:db8::fe');
    expect(await findUnderlay({ family: 6 }, { netns: host.path })).toMatchObject({ address: '2001:db8::1' });
    expect((await hostRoutes(host.path)).map(({ prefix }) => prefix)).toEqual(expect.arrayContaining([24]));
  });

  it('names the candidates where several would do, and what was asked for and is not there', async () => {
    ip('address add 198.51.100.7/24 dev eth0');
    await expect(findUnderlay({ interface: 'eth0' }, { netns: host.path })).rejects.toMatchObject({
      code: 'underlay-ambiguous',
      message: expect.stringMatching(/192\.0\.2\.1 on eth0.*198\.51\.100\.7 on eth0/) as string,
    });
    expect(await findUnderlay({ address: '198.51.100.7' }, { netns: host.path })).toMatchObject({ interface: 'eth0' });
    await expect(findUnderlay({ address: '203.0.113.9' }, { netns: host.path })).rejects.toMatchObject({
      code: 'configuration-invalid',
      message: expect.stringContaining('203.0.113.9') as string,
    });
  });
});

describe('assertOverlayPortFree', () => {
  it('names the process that has the port, also where our own devices may have it', async () => {
    const socket = createSocket('udp4');
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
    const { port } = socket.address();
    for (const ours of [false, true])
      await expect(assertOverlayPortFree(port, ours)).rejects.toMatchObject({
        code: 'overlay-port-taken',
        message: expect.stringContaining(`(pid ${process.pid})`) as string,
      });
    await new Promise<void>((resolve) => socket.close(() => resolve()));
    await expect(assertOverlayPortFree(port, false)).resolves.toBeUndefined();
  });
});
