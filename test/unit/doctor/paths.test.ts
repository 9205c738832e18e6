/** What is made of probes that came or did not, and what a probe is on the wire. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { checkWays } from '../../../src/doctor/paths.ts';
import { PROBE_VNI } from '../../../src/kernel/guard-tables.ts';
import { ProbeListener } from '../../../src/kernel/probe-listener.ts';
import { sendProbe } from '../../../src/kernel/probes.ts';
import { until } from '../../support/until.ts';

const way = { node: 'host2', vtep: '192.0.2.2', bytes: 1500 };

describe('the ways to other hosts', () => {
  it('are well when both sizes arrive', () => {
    expect(checkWays('host1', 14789, [{ ...way, small: true, large: true }])).toEqual([]);
  });

  it('are too narrow when only small packets arrive, and closed when none does', () => {
    const [narrow, closed] = checkWays('host1', 14789, [
      { ...way, small: true, large: false },
      { ...way, node: 'host3', small: false, large: false },
    ]);
    expect(narrow).toMatchObject({ code: 'path-mtu', node: 'host1', object: 'the way to host2' });
    expect(narrow?.command).toContain('ping -M do -s 1472 192.0.2.2');
    expect(closed).toMatchObject({ code: 'overlay-blocked', object: 'the way to host3' });
    expect(closed?.evidence).toContain('UDP port 14789');
  });

  it('are not called well when they could not be tried', () => {
    const [finding] = checkWays('host1', 14789, [{ node: 'host2', vtep: '192.0.2.2', reason: 'send EPERM' }]);
    expect(finding).toMatchObject({ code: 'way-untried', node: 'host1', object: 'the way to host2' });
    expect(finding?.evidence).toContain('send EPERM');
    expect(finding?.command).toContain('ip route get 192.0.2.2');
  });
});

describe.each(['127.0.0.1', '::1'])('a probe to %s', (address) => {
  it('is VXLAN of the size asked for, under a VNI of no network', async () => {
    const ipv6 = address.includes(':');
    const listener = createSocket(ipv6 ? 'udp6' : 'udp4');
    listener.bind(0, address);
    await once(listener, 'listening');
    const came = once(listener, 'message') as Promise<[Buffer]>;
    const probe = { from: address, to: address, port: listener.address().port, mac: '02:01:02:03:04:05', bytes: 1500 };
    await sendProbe(probe);
    const [payload] = await came;
    listener.close();
    expect(payload.length).toBe(1500 - (ipv6 ? 48 : 28));
    expect(payload.readUInt8(0)).toBe(0x08);
    expect(payload.readUIntBE(4, 3)).toBe(PROBE_VNI);
    expect(payload.subarray(14, 20).toString('hex')).toBe('020102030405');
  });
});

describe.each(['127.0.0.1', '::1'])('a host without a guard, at %s', (address) => {
  /** Of this machine, at this moment. */
  async function freePort(): Promise<number> {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4').bind(0, address);
    await once(socket, 'listening');
    const { port } = socket.address();
    socket.close();
    return port;
  }

  it('notes the probes that come after it was asked, and nothing else', async () => {
    const port = await freePort();
    const listener = new ProbeListener();
    // Two ask at once.
    expect(await Promise.all([listener.seen(address, port), listener.seen(address, port)])).toEqual([[], []]);
    const mac = '02:01:02:03:04:05';
    const stranger = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    stranger.send(Buffer.alloc(100, 7), port, address);
    stranger.send(Buffer.from([8]), port, address);
    for (let copy = 0; copy < 2; copy++) await sendProbe({ from: address, to: address, port, mac, bytes: 128 });
    await until(async () => (await listener.seen(address, port))?.length !== 0, { what: 'the probe came' });
    expect(await listener.seen(address, port)).toEqual([{ source: address, mac }]);
    stranger.close();
    listener.close();
  });

  it('has left the port when it is told to, also before it had it, and says so where it is taken', async () => {
    const port = await freePort();
    const [listener, other] = [new ProbeListener(), new ProbeListener()];
    const asked = listener.seen(address, port);
    listener.close();
    expect(await asked).toBeUndefined();
    expect(await listener.seen(address, port)).toEqual([]);
    expect(await other.seen(address, port)).toBeUndefined();
    listener.close();
    expect(await other.seen(address, port)).toEqual([]);
    other.close();
  });
});
