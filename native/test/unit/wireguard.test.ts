/**
 * WireGuard's messages. The kernel that the tests run on has no WireGuard: the bytes are built from the kernel's uapi
 * (linux/wireguard.h) by the C program beside the fixture, in the order in which the kernel writes them.
 */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeAllowedIp, encodeAllowedIp } from '../../netlink-ts/generic/wireguard/allowed-ip.ts';
import { encodeDeviceChange } from '../../netlink-ts/generic/wireguard/change.ts';
import { decodeDevice, encodeDeviceReference } from '../../netlink-ts/generic/wireguard/device.ts';
import { decodeEndpoint, encodeEndpoint } from '../../netlink-ts/generic/wireguard/endpoint.ts';
import { keyBytes, keyText } from '../../netlink-ts/generic/wireguard/key.ts';
import { decodePeer, encodePeer } from '../../netlink-ts/generic/wireguard/peer.ts';
import type { WireguardPeerChange } from '../../netlink-ts/generic/wireguard/peer.ts';
import { fuzz } from './fuzz.ts';

type Message = 'device' | 'devicePart' | 'getByName' | 'getByIndex' | 'set';
const fixture = new URL('../fixtures/wireguard.json', import.meta.url);
const built = JSON.parse(readFileSync(fixture, 'utf8')) as Record<Message, string>;
const bytesOf = (message: Message) => Buffer.from(built[message], 'hex');
const key = (byte: number) => Buffer.alloc(32, byte).toString('base64');

const peers: WireguardPeerChange[] = [
  {
    publicKey: key(0x0a),
    presharedKey: key(0x0b),
    endpoint: { address: '192.0.2.1', port: 51821 },
    keepalive: 25,
    allowedIps: ['10.1.0.0/16', 'fd00:1::/64'],
    replaceAllowedIps: true,
  },
  {
    publicKey: key(0x0c),
    presharedKey: null,
    endpoint: { address: 'fe80::1', port: 51822, scope: 3 },
    updateOnly: true,
  },
  { publicKey: key(0x0d), remove: true },
];

describe('a device', () => {
  it('is asked for by name or by index', () => {
    expect(encodeDeviceReference({ name: 'wg0' })).toEqual(bytesOf('getByName'));
    expect(encodeDeviceReference({ index: 7 })).toEqual(bytesOf('getByIndex'));
  });

  it('is read from the parts of a dump, a peer that is in two of them as one', () => {
    expect(decodeDevice([bytesOf('device'), bytesOf('devicePart')])).toEqual({
      index: 7,
      name: 'wg0',
      privateKey: key(0x01),
      publicKey: key(0x02),
      listenPort: 51820,
      mark: 0x77,
      peers: [
        {
          publicKey: key(0x0a),
          presharedKey: key(0x0b),
          endpoint: { address: '192.0.2.1', port: 51821 },
          keepalive: 25,
          lastHandshake: 1_700_000_000_000_000_005n,
          receivedBytes: 6_000_000_000n,
          sentBytes: 5_000_000_000n,
          allowedIps: ['10.1.0.0/16', 'fd00:1::/64'],
          protocolVersion: 1,
          other: [],
        },
        {
          publicKey: key(0x0c),
          endpoint: { address: 'fe80::1', port: 51822, scope: 3 },
          keepalive: 0,
          receivedBytes: 0n,
          sentBytes: 0n,
          allowedIps: [],
          protocolVersion: 1,
          other: [],
        },
      ],
      other: [],
    });
  });

  it('is changed by the bytes of the uapi', () => {
    const change = { privateKey: key(0x01), listenPort: 51820, mark: 0x77, replacePeers: true, peers };
    const [message, ...more] = encodeDeviceChange({ index: 7 }, change);
    expect(message?.toString('hex')).toBe(built.set);
    expect(more).toEqual([]);
    expect(encodeDeviceChange({ index: 7 }, { listenPort: 1 })).toHaveLength(1);
    expect(encodeDeviceChange({ index: 7 }, {})).toEqual([bytesOf('getByIndex')]);
  });

  it('with very many peers and addresses is changed by several messages, which tell of all of them', () => {
    const prefix = (i: number) => `fd00:${(i >> 16).toString(16)}:${(i & 0xffff).toString(16)}::/64`;
    const many = Array.from({ length: 150 }, (_, i) => ({
      publicKey: Buffer.alloc(32, `peer ${i}`).toString('base64'),
      presharedKey: key(0x0b),
      allowedIps: Array.from({ length: i === 7 ? 1_500 : 3 }, (_, k) => ipOf(i * 10_000 + k)),
      replaceAllowedIps: true,
    }));
    function ipOf(i: number): string {
      return decodeAllowedIp(encodeAllowedIp(prefix(i)));
    }
    const messages = encodeDeviceChange({ name: 'wg0' }, { privateKey: key(1), replacePeers: true, peers: many });
    expect(messages.length).toBeGreaterThan(2);
    for (const message of messages) expect(message.length).toBeLessThan(50_000);
    const device = decodeDevice(messages);
    expect(device.peers.map(({ publicKey, allowedIps }) => ({ publicKey, allowedIps }))).toEqual(
      many.map(({ publicKey, allowedIps }) => ({ publicKey, allowedIps })),
    );
    const containing = (text: string) => messages.filter((message) => message.includes(Buffer.from(text, 'hex')));
    // WGDEVICE_A_FLAGS and the private key stand in the first message only: another would undo those before it.
    expect(containing('0800050001000000')).toEqual([messages[0]]);
    expect(containing(`24000300${'01'.repeat(32)}`)).toEqual([messages[0]]);
    // WGPEER_F_REPLACE_ALLOWEDIPS once for each peer, though one of them has many parts.
    const flagged = Buffer.concat(messages).toString('hex').split('0800030002000000').length - 1;
    expect(flagged).toBe(many.length);
  });
});

describe('keys', () => {
  it('are 32 bytes of base64, and a wrong one is never repeated in the error', () => {
    expect(keyText(keyBytes(key(7)))).toBe(key(7));
    const wrong = [key(7).slice(0, -1), `${key(7)}=`, Buffer.alloc(31).toString('base64'), 'c2VjcmV0', ''];
    for (const text of wrong) {
      expect(() => keyBytes(text)).toThrow('not a WireGuard key: 32 bytes of base64 are expected');
    }
  });
});

describe('parts of a peer', () => {
  it('survive the way to bytes and back', () => {
    const port = fc.integer({ min: 0, max: 65535 });
    fc.assert(
      fc.property(fc.ipV4(), port, fc.integer({ min: 0, max: 32 }), (address, number, length) => {
        expect(decodeEndpoint(encodeEndpoint({ address, port: number }))).toEqual({ address, port: number });
        expect(decodeAllowedIp(encodeAllowedIp(`${address}/${length}`))).toBe(`${address}/${length}`);
      }),
    );
    const link = { address: 'fe80::7', port: 9, scope: 0xfffffffe };
    expect(decodeEndpoint(encodeEndpoint(link))).toEqual(link);
    expect(decodePeer(encodePeer({ publicKey: key(9), keepalive: 65535 }))).toMatchObject({ keepalive: 65535 });
  });

  it('that are none are refused', () => {
    for (const text of ['10.0.0.1', '10.0.0.1/33', '::/129', '10.0.0.1/', '10.0.0.1/-1', 'x/8']) {
      expect(() => encodeAllowedIp(text)).toThrow(TypeError);
    }
    expect(() => encodeEndpoint({ address: 'example.org', port: 1 })).toThrow(TypeError);
  });
});

describe('decoders of whatever comes', () => {
  it.each([
    ['device', (data: Buffer) => decodeDevice([data])],
    ['two parts', (data: Buffer) => decodeDevice([data, data])],
    ['peer', decodePeer],
    ['endpoint', decodeEndpoint],
    ['allowed ip', decodeAllowedIp],
  ] as const)('%s: read it or throw a DecodeError, nothing else', (_, decode) => fuzz(decode, 0));
});
