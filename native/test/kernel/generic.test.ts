/** Generic netlink on the kernel, by the families that every kernel has: the controller, and ethtool beside iproute2. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  AttributeReader,
  AttributeWriter,
  GenericSocket,
  monitorGeneric,
  WireguardSocket,
} from '../../netlink-ts/index.ts';
import { parseFamilies, printed } from '../unit/generic-text.ts';
import { inNamespace, TestNamespaces } from './namespaces.ts';

const ETHTOOL_MSG_LINKINFO_GET = 2;
const ETHTOOL_MSG_LINKSTATE_GET = 6;
const ETHTOOL_MSG_FEATURES_SET = 12;
const ETHTOOL_A_HEADER = 1;
const ETHTOOL_A_HEADER_DEV_INDEX = 1;
const ETHTOOL_A_HEADER_DEV_NAME = 2;
const ETHTOOL_A_LINKSTATE_LINK = 2;

const namespaces = new TestNamespaces();
let netns: string;
let generic: GenericSocket;
beforeEach(() => {
  netns = namespaces.make('generic');
  generic = GenericSocket.open({ netns });
});
afterEach(() => {
  generic.close();
  namespaces.removeAll();
});

function header(device: string): Buffer {
  return new AttributeWriter()
    .nestedFlagged(ETHTOOL_A_HEADER, (inner) => inner.string(ETHTOOL_A_HEADER_DEV_NAME, device))
    .finish();
}

function deviceOf(payload: Buffer): { index: number; name: string } {
  const device = { index: 0, name: '' };
  const reader = new AttributeReader(payload);
  while (reader.next()) {
    if (reader.type !== ETHTOOL_A_HEADER) continue;
    const inner = reader.children();
    while (inner.next()) {
      if (inner.type === ETHTOOL_A_HEADER_DEV_INDEX) device.index = inner.u32();
      else if (inner.type === ETHTOOL_A_HEADER_DEV_NAME) device.name = inner.string();
    }
    inner.check();
  }
  reader.check();
  return device;
}

function linkOf(payload: Buffer): number | undefined {
  const reader = new AttributeReader(payload);
  while (reader.next()) if (reader.type === ETHTOOL_A_LINKSTATE_LINK) return reader.u8();
  return undefined;
}

describe('families', () => {
  it('are those that iproute2 lists', async () => {
    const theirs = parseFamilies(inNamespace(netns, 'genl', 'ctrl', 'list'));
    expect(theirs.length).toBeGreaterThan(3);
    expect((await generic.families()).map(printed)).toEqual(theirs);
  });

  it('are found by name, and asked for once', async () => {
    const [one, other] = await Promise.all([generic.family('ethtool'), generic.family('ethtool')]);
    expect(other).toBe(one);
    expect(printed(one)).toEqual(parseFamilies(inNamespace(netns, 'genl', 'ctrl', 'get', 'name', 'ethtool'))[0]);
    expect(await generic.family('nlctrl')).toMatchObject({ id: 0x10 });
  });

  it('that are not there are not there', async () => {
    const missing = { name: 'NetlinkError', code: 'ENOENT', op: 'find generic family nothing-such' };
    await expect(generic.family('nothing-such')).rejects.toMatchObject(missing);
    const request = { family: 'nothing-such', command: 1, payload: Buffer.alloc(0) };
    await expect(generic.request(request)).rejects.toMatchObject(missing);
    const stop = AbortSignal.abort(new Error('no more'));
    await expect(generic.family('ethtool', { signal: stop })).rejects.toThrow('no more');
    expect(await generic.family('ethtool')).toMatchObject({ name: 'ethtool' });
  });
});

describe('a family', () => {
  it("answers requests, dumps, and refusals in the kernel's words", async () => {
    inNamespace(netns, 'ip', 'link', 'add', 'name', 'e0', 'up', 'type', 'veth', 'peer', 'e1');
    const request = { family: 'ethtool', command: ETHTOOL_MSG_LINKSTATE_GET };
    const [answer] = await generic.request({ ...request, payload: header('e0') });
    expect(answer && deviceOf(answer.payload).name).toBe('e0');
    expect(answer && linkOf(answer.payload)).toBe(0);
    inNamespace(netns, 'ip', 'link', 'set', 'e1', 'up');
    const all = await generic.dump({ ...request, payload: Buffer.alloc(0) });
    const links = (JSON.parse(inNamespace(netns, 'ip', '-j', 'link')) as { ifindex: number; ifname: string }[]).map(
      ({ ifindex, ifname }) => ({ index: ifindex, name: ifname }),
    );
    expect(all.map(({ payload }) => deviceOf(payload))).toEqual(links);
    expect(linkOf(all.find(({ payload }) => deviceOf(payload).name === 'e0')?.payload ?? Buffer.alloc(0))).toBe(1);
    const wrong = { family: 'ethtool', command: ETHTOOL_MSG_LINKINFO_GET, payload: header('none') };
    await expect(generic.request(wrong, { op: 'read link none' })).rejects.toMatchObject({
      code: 'ENODEV',
      op: 'read link none',
      kernelMessage: 'no device matches name',
    });
    await expect(generic.request({ family: 'ethtool', command: 250, payload: Buffer.alloc(0) })).rejects.toMatchObject({
      code: 'EOPNOTSUPP',
      op: 'ethtool 250',
    });
  });

  it('is heard of on a socket of its own', async () => {
    inNamespace(netns, 'ip', 'link', 'add', 'name', 'e0', 'up', 'type', 'veth', 'peer', 'e1');
    const stop = new AbortController();
    const events = await monitorGeneric({ netns, family: 'ethtool', groups: ['monitor'], signal: stop.signal });
    const first = events.next();
    // ETHTOOL_A_FEATURES_WANTED: a bitset of one bit by its name, without its value, so switched off
    const features = new AttributeWriter()
      .raw(header('e0'))
      .nestedFlagged(3, (set) =>
        set.nestedFlagged(3, (bits) => bits.nestedFlagged(1, (bit) => bit.string(2, 'tx-generic-segmentation'))),
      )
      .finish();
    await generic.request({ family: 'ethtool', command: ETHTOOL_MSG_FEATURES_SET, payload: features });
    const { value: event } = (await first) as IteratorYieldResult<{ kind: string; message?: { payload: Buffer } }>;
    expect(event.kind).toBe('message');
    expect(event.message && deviceOf(event.message.payload).name).toBe('e0');
    stop.abort();
    const unknown = { netns, family: 'ethtool', groups: ['nothing-such'], signal: stop.signal };
    await expect(monitorGeneric({ ...unknown, signal: new AbortController().signal })).rejects.toMatchObject({
      code: 'ENOENT',
      op: 'join group nothing-such of generic family ethtool',
    });
  });
});

describe('wireguard', () => {
  it('is read and changed where the kernel has it, and said to be missing where not', async () => {
    const wireguard = WireguardSocket.open({ netns });
    const families = (await generic.families()).map(({ name }) => name);
    if (!families.includes('wireguard')) {
      const missing = { code: 'ENOENT', op: 'find generic family wireguard' };
      await expect(wireguard.get({ name: 'wg0' })).rejects.toMatchObject(missing);
      await expect(wireguard.set({ name: 'wg0' }, { listenPort: 1 })).rejects.toMatchObject(missing);
    } else {
      inNamespace(netns, 'ip', 'link', 'add', 'wg0', 'type', 'wireguard');
      const publicKey = Buffer.alloc(32, 9).toString('base64');
      const peers = [{ publicKey, allowedIps: ['10.1.0.0/16'], endpoint: { address: '192.0.2.1', port: 9 } }];
      await wireguard.set({ name: 'wg0' }, { listenPort: 5000, peers });
      expect(await wireguard.get({ name: 'wg0' })).toMatchObject({ name: 'wg0', listenPort: 5000, peers });
    }
    wireguard.close();
  });
});
