import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import {
  NETLINK_GENERIC,
  NETLINK_NETFILTER,
  NETLINK_ROUTE,
  NetlinkSocket,
  NftSocket,
  RouteSocket,
  WireguardSocket,
} from '../../netlink-ts/index.ts';
import { AttributeWriter } from '../../netlink-ts/wire/attributes.ts';
import { wireLines } from '../../netlink-ts/wire/log.ts';
import { encodeMessage } from '../../netlink-ts/wire/message.ts';
import { acknowledge, answer, contented, error, FakeKernel, overrun } from '../../netlink-ts/testing/index.ts';

const KEY = Buffer.alloc(32, 0x5a).toString('base64');
const SECRET_HEX = '5a5a5a';

/** One message of the protocol as its line. */
function line(protocol: number, type: number, payload: Buffer, secrets?: string[]): string {
  const lines = wireLines('>', encodeMessage({ type, flags: 0x5, payload }, 9), {
    protocol,
    ...(secrets && { secrets }),
  });
  expect(lines).toHaveLength(1);
  return lines[0] ?? '';
}

describe('the wire log', () => {
  it('has a line for each message that goes and comes, with its kind, flags, number and attributes', async () => {
    const lines: string[] = [];
    const kernel = new FakeKernel((request) => error(request, 'EEXIST', { text: 'Exists\n"already"', offset: 16 }));
    const rt = RouteSocket.open({ kernel, wire: (text) => lines.push(text) });
    await expect(rt.links.create({ name: 'br0', kind: 'bridge', up: true })).rejects.toThrow();
    rt.close();
    expect(lines).toEqual([
      expect.stringMatching(
        /^> route RTM_NEWLINK seq=2 flags=REQUEST\|ACK\|EXCL\|CREATE body=0{8}.* 3="br0" 18=\{1="bridge"/,
      ),
      '< route NLMSG_ERROR seq=2 flags=CAPPED|ACK_TLVS EEXIST "Exists?\\"already\\"" offset=16',
    ]);
  });

  it('follows a transaction, and says what was lost', async () => {
    const lines: string[] = [];
    const kernel = new FakeKernel(contented);
    const nft = NftSocket.open({ kernel, wire: (text) => lines.push(text) });
    await nft.deleteTable({ family: 'inet', name: 'mine' });
    const names = lines.map((text) => text.split(' ').slice(0, 3).join(' '));
    expect(names).toEqual([
      '> netfilter NFNL_MSG_BATCH_BEGIN',
      '> netfilter NFT_MSG_DELTABLE',
      '> netfilter NFNL_MSG_BATCH_END',
      '< netfilter NLMSG_ERROR',
    ]);
    expect(lines[3]).toMatch(/ OK$/);
    const flooded = NetlinkSocket.open({
      protocol: NETLINK_ROUTE,
      kernel: new FakeKernel(() => overrun()),
      wire: (text) => lines.push(text),
    });
    await expect(flooded.request({ type: 18, flags: 0, payload: Buffer.alloc(16) })).rejects.toThrow('overran');
    expect(lines.at(-1)).toBe('< route ENOBUFS');
  });

  it('never prints the keys of WireGuard, whichever way they go', async () => {
    const lines: string[] = [];
    const family = new AttributeWriter().u16(1, 30).string(2, 'wireguard').u32(3, 1).finish();
    const device = new AttributeWriter().string(2, 'wg0').bytes(3, Buffer.alloc(32, 0x5a)).finish();
    const kernel = new FakeKernel((request) => {
      if (request.type === 16) {
        return [answer(request, 16, Buffer.concat([Buffer.from([1, 2, 0, 0]), family])), acknowledge(request)];
      }
      const isDump = (request.flags & 0x300) === 0x300;
      const found = answer(request, 30, Buffer.concat([Buffer.from([0, 1, 0, 0]), device]));
      return isDump ? [found, acknowledge(request)] : acknowledge(request);
    });
    const wg = WireguardSocket.open({ kernel, wire: (text) => lines.push(text) });
    const peer = { publicKey: Buffer.alloc(32, 1).toString('base64'), presharedKey: KEY };
    await wg.set({ name: 'wg0' }, { privateKey: KEY, peers: [peer] });
    expect((await wg.get({ name: 'wg0' }, { secrets: true })).privateKey).toBe(KEY);
    wg.close();
    const all = lines.join('\n');
    expect(all).toContain('3=secret(32)');
    expect(all).toMatch(/8=\{[^\n]*2=secret\(32\)/);
    expect(all).toContain('0101010101');
    expect(all).not.toContain(SECRET_HEX);
  });

  it('looks into what holds a secret whatever its flag says, and shows nothing of what it cannot read', () => {
    const peer = new AttributeWriter().nested(0, (inner) => inner.bytes(2, Buffer.alloc(32, 0x5a)));
    const holding = new AttributeWriter().bytes(8, peer.finish()).finish();
    const secrets = ['3', '8.*.2'];
    const body = Buffer.alloc(4);
    expect(line(NETLINK_GENERIC, 30, Buffer.concat([body, holding]), secrets)).toContain('8={0={2=secret(32)}}');
    const broken = new AttributeWriter().bytes(8, Buffer.alloc(7, 0x5a)).finish();
    expect(line(NETLINK_GENERIC, 30, Buffer.concat([body, broken]), secrets)).toContain('8=len(7)');
  });

  it('prints lengths only for families and protocols that nobody judged', () => {
    const key = new AttributeWriter().bytes(5, Buffer.alloc(32, 0x5a)).finish();
    const payload = Buffer.concat([Buffer.alloc(4), key]);
    expect(line(NETLINK_GENERIC, 30, payload)).toBe(
      '> generic type 30 seq=9 flags=REQUEST|ACK body=00000000 5=len(32)',
    );
    expect(line(6, 30, payload)).toBe('> protocol6 type 30 seq=9 flags=REQUEST|ACK len=40');
  });

  it('is one line of bounded length whatever the bytes are', () => {
    const long = new AttributeWriter();
    for (let i = 0; i < 1_000; i++) long.string(1, 'x'.repeat(500));
    const text = line(NETLINK_ROUTE, 16, Buffer.concat([Buffer.alloc(16), long.finish()]));
    expect(text.length).toBeLessThan(2_100);
    expect(text).toContain(`1="${'x'.repeat(32)}..."`);
    let deep = new AttributeWriter().u32(1, 7);
    for (let i = 0; i < 100; i++) {
      const inner = deep.finish();
      deep = new AttributeWriter().nestedFlagged(1, (writer) => writer.raw(inner));
    }
    expect(line(NETLINK_ROUTE, 16, Buffer.concat([Buffer.alloc(16), deep.finish()]))).toMatch(/len\(\d+\)\}+$/);
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        fc.constantFrom(NETLINK_ROUTE, NETLINK_NETFILTER, NETLINK_GENERIC, 6),
        fc.constantFrom(2, 3, 16, 17, 0x0a00, 0x0100, 30),
        (bytes, protocol, type) => {
          expect(line(protocol, type, Buffer.from(bytes))).toMatch(/^[\x20-\x7e]+$/);
          for (const text of wireLines('<', Buffer.from(bytes), { protocol })) expect(text).toMatch(/^[\x20-\x7e]+$/);
        },
      ),
    );
  });
});
