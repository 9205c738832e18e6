/** What is made of probes that came or did not, and what a probe is on the wire. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { checkWays } from '../../../src/doctor/paths.ts';
import { PROBE_VNI } from '../../../src/kernel/guard-tables.ts';
import { sendProbe } from '../../../src/kernel/probes.ts';

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
