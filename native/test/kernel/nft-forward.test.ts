/** Rulesets written with this library and the same ones loaded by nft from text: nft lists both alike. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  concatenate,
  keyField,
  loadKey,
  match,
  NftSocket,
  rule,
  verdict,
  type Table,
} from '../../netlink-ts/nft/index.ts';
import { makeNamespace, type TestNamespace } from './nft-namespace.ts';

let theirs: TestNamespace;
let ours: TestNamespace;
let nft: NftSocket;

beforeAll(() => {
  theirs = makeNamespace('nft-text');
  ours = makeNamespace('nft-model');
  nft = NftSocket.open({ netns: ours.path });
});
afterAll(() => {
  nft.close();
  for (const namespace of [theirs, ours]) namespace.remove();
});

const source = [keyField.from('ip saddr')];
const service = [keyField.of('ipv4_addr'), keyField.of('inet_service')];

const TEXT = `table inet limits {
  set tenants { typeof ip saddr; flags interval; elements = { 10.0.0.0/8, 192.0.2.1, 192.0.2.16-192.0.2.20 } }
  set services { type ipv4_addr . inet_service; flags interval; elements = { 10.0.0.0/24 . 80-90, 10.0.1.1 . 53 } }
  set rates { typeof ip saddr; size 4096; flags dynamic,timeout; timeout 1m; }
  set open { typeof ip saddr; size 4096; flags dynamic; }
  map policies { typeof ip saddr : verdict; flags interval; elements = { 10.1.0.0/16 : jump tenant, 10.2.0.0/16 : drop } }
  map backends { type ipv4_addr . inet_service : ipv4_addr . inet_service; elements = { 10.0.0.1 . 80 : 10.0.0.2 . 8080 } }
  chain tenant { quota over 1 mbytes drop; ct count over 100 drop; }
  chain forward { type filter hook forward priority filter; policy drop;
    ip saddr vmap @policies
    ip saddr @tenants accept
    ip saddr { 10.9.0.1, 10.9.0.2 } accept
  }
  chain new { type filter hook input priority mangle; policy accept;
    ip saddr . tcp dport != @services return
    update @rates { ip saddr limit rate 5/second burst 10 packets } accept
    add @open { ip saddr ct count over 50 } drop
  }
  chain translate { type nat hook prerouting priority dstnat; policy accept;
    dnat ip to ip daddr . tcp dport map @backends
  }
}`;

function model(): Table {
  const ipv4 = match.nfproto('ipv4');
  const tcpTo = [
    { kind: 'payload', base: 'network', offset: 12, length: 4, register: 0 },
    { kind: 'payload', base: 'transport', offset: 2, length: 2, register: 1 },
  ] as const;
  const dstTo = [{ ...tcpTo[0], offset: 16 }, tcpTo[1]] as const;
  const dynamic = { size: 4096, elements: [] };
  return {
    family: 'inet',
    name: 'limits',
    sets: [
      {
        name: 'tenants',
        key: source,
        flags: ['interval'],
        elements: [
          { key: '0a000000', keyEnd: '0affffff' },
          { key: 'c0000201' },
          { key: 'c0000210', keyEnd: 'c0000214' },
        ],
      },
      {
        name: 'services',
        key: service,
        flags: ['interval'],
        elements: [
          { key: concatenate(service, ['0a000000', '0050']), keyEnd: concatenate(service, ['0a0000ff', '005a']) },
          { key: concatenate(service, ['0a000101', '0035']) },
        ],
      },
      { name: 'rates', key: source, flags: ['timeout', 'dynamic'], timeout: 60_000, ...dynamic },
      { name: 'open', key: source, flags: ['dynamic'], ...dynamic },
      {
        name: 'policies',
        key: source,
        flags: ['interval', 'map'],
        data: 'verdict',
        elements: [
          { key: '0a010000', keyEnd: '0a01ffff', value: { verdict: 'jump', chain: 'tenant' } },
          { key: '0a020000', keyEnd: '0a02ffff', value: { verdict: 'drop' } },
        ],
      },
      {
        name: 'backends',
        key: service,
        flags: ['map'],
        data: service,
        elements: [
          { key: concatenate(service, ['0a000001', '0050']), value: concatenate(service, ['0a000002', '1f90']) },
        ],
      },
      {
        name: '__set0',
        key: source,
        flags: ['anonymous', 'constant'],
        size: 2,
        elements: [{ key: '0a090001' }, { key: '0a090002' }],
      },
    ],
    chains: [
      {
        name: 'tenant',
        rules: [
          rule({ kind: 'quota', bytes: 1_048_576n, over: true }, verdict.drop()),
          rule({ kind: 'connection limit', count: 100, over: true }, verdict.drop()),
        ],
      },
      {
        name: 'forward',
        base: { type: 'filter', hook: 'forward', priority: 0, policy: 'drop' },
        rules: [
          rule(ipv4, match.verdictOf('policies', source)),
          rule(ipv4, match.inSet('tenants', source), verdict.accept()),
          rule(ipv4, match.inSet('__set0', source), verdict.accept()),
        ],
      },
      {
        name: 'new',
        base: { type: 'filter', hook: 'input', priority: -150, policy: 'accept' },
        rules: [
          rule(
            ipv4,
            match.l4proto('tcp'),
            tcpTo,
            { kind: 'lookup', set: 'services', register: 0, invert: true },
            verdict.return(),
          ),
          rule(
            ipv4,
            loadKey(source),
            {
              kind: 'dynset',
              set: 'rates',
              operation: 'update',
              register: 0,
              expressions: [{ kind: 'limit', type: 'packets', rate: 5n, per: 1, burst: 10 }],
            },
            verdict.accept(),
          ),
          rule(
            ipv4,
            loadKey(source),
            {
              kind: 'dynset',
              set: 'open',
              operation: 'add',
              register: 0,
              expressions: [{ kind: 'connection limit', count: 50, over: true }],
            },
            verdict.drop(),
          ),
        ],
      },
      {
        name: 'translate',
        base: { type: 'nat', hook: 'prerouting', priority: -100, policy: 'accept' },
        rules: [
          rule(
            ipv4,
            match.l4proto('tcp'),
            dstTo,
            { kind: 'lookup', set: 'backends', register: 0, destination: 0 },
            { kind: 'nat', type: 'dnat', family: 'ip', address: 0, port: 1 },
          ),
        ],
      },
    ],
  };
}

/** What nft prints, without the numbers that the kernel gives as it likes. */
function listing(namespace: TestNamespace): string[] {
  const { nftables } = JSON.parse(namespace.run('nft', '-j', 'list', 'ruleset'), (key, value: unknown) =>
    key === 'handle' ? undefined : value,
  ) as { nftables: unknown[] };
  return nftables.map((object) => JSON.stringify(object));
}

test('a table of limits, ceilings and maps is listed like its text, and read back equal', async () => {
  theirs.load(TEXT);
  await nft.replaceTable(model());
  expect(await nft.readTable({ family: 'inet', name: 'limits' })).toEqual(model());
  expect(listing(ours)).toEqual(listing(theirs));
});
