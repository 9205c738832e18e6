import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import {
  commented,
  concatenate,
  counter,
  integer,
  keyField,
  match,
  NftSocket,
  rule,
  verdict,
  type KeyField,
  type Table,
} from '../../netlink-ts/nft/index.ts';
import { makeNamespace, type TestNamespace } from './nft-namespace.ts';

let namespace: TestNamespace;
let nft: NftSocket;

beforeAll(() => {
  namespace = makeNamespace('nft');
  nft = NftSocket.open({ netns: namespace.path });
});
beforeEach(() => {
  namespace.run('nft', 'flush', 'ruleset');
});
afterAll(() => {
  nft.close();
  namespace.remove();
});

const NAME = { family: 'inet', name: 'sample' } as const;
const members: KeyField[] = [
  keyField.from('ip saddr'),
  keyField.raw('transport', 96, 24),
  keyField.raw('transport', 176, 48),
];

function member(last: number): { key: string } {
  return { key: concatenate(members, ['c0000202', integer(0x100001, 3), `02000000${integer(last, 2)}`]) };
}

function sample(): Table {
  return {
    ...NAME,
    sets: [
      { name: 'members', key: members, flags: [], elements: [member(1), member(2)] },
      {
        name: 'ranges',
        key: [keyField.of('ipv4_addr'), keyField.of('inet_service')],
        flags: ['interval'],
        elements: [{ key: '0a00000000160000', keyEnd: '0affffff00170000' }],
      },
      { name: 'names', key: [keyField.of('ifname')], flags: [], elements: [] },
    ],
    chains: [
      {
        name: 'prerouting',
        base: { type: 'filter', hook: 'prerouting', priority: -300, policy: 'accept' },
        rules: [
          commented(
            'known members',
            rule(match.daddr('192.0.2.1'), match.udpDport(14789), match.inSet('members', members), verdict.accept()),
          ),
          rule(match.daddr('2001:db8::1'), match.udpDport(14789), counter(), verdict.drop()),
          rule(match.ctState('established', 'related'), verdict.jump('other')),
        ],
      },
      { name: 'other', rules: [rule(match.iifname('eth0'), match.fibMissing('saddr', 'iif'), verdict.drop())] },
      { name: 'forward', base: { type: 'filter', hook: 'forward', priority: 0, policy: 'drop' }, rules: [] },
    ],
  };
}

test('what is written is read back equal', async () => {
  await nft.replaceTable(sample());
  expect(await nft.readTable(NAME)).toEqual(sample());
});

test('the nft command lists it in its own words and can load its listing again', async () => {
  await nft.replaceTable(sample());
  const listing = namespace.run('nft', 'list', 'ruleset');
  expect(listing).toContain('typeof ip saddr . @th,96,24 . @th,176,48');
  expect(listing).toContain('192.0.2.2 . 0x100001 . 0x20000000001');
  expect(listing).toContain('10.0.0.0/8 . 22-23');
  expect(listing).toContain(
    'ip daddr 192.0.2.1 udp dport 14789 ip saddr . @th,96,24 . @th,176,48 @members accept comment "known members"',
  );
  expect(listing).toContain('ct state established,related jump other');
  expect(listing).toContain('iifname "eth0" fib saddr . iif oif missing drop');
  namespace.run('nft', 'flush', 'ruleset');
  namespace.load(listing);
  expect(await nft.readTable(NAME)).toEqual(sample());
});

test('a change by hand shows in the comparison', async () => {
  await nft.replaceTable(sample());
  namespace.run('nft', 'insert', 'rule', 'inet', 'sample', 'forward', 'reject');
  const read = await nft.readTable(NAME);
  expect(read).not.toEqual(sample());
  expect(read?.chains[2]?.rules[0]?.expressions.at(-1)).toMatchObject({ kind: 'reject', with: 'icmpx' });
});

test('replacing is one step of the generation and leaves other tables alone', async () => {
  namespace.load('table inet foreign { chain c { }; }');
  await nft.replaceTable(sample());
  const before = await nft.generation();
  const smaller = { ...sample(), sets: [], chains: sample().chains.slice(2) };
  await nft.replaceTable(smaller);
  expect(await nft.generation()).toBe(before + 1);
  expect(await nft.readTable(NAME)).toEqual(smaller);
  expect((await nft.listTables()).map(({ name }) => name)).toEqual(['foreign', 'sample']);
});

test('a batch with one bad rule changes nothing and says which message was refused', async () => {
  await nft.replaceTable(sample());
  const generation = await nft.generation();
  const bad = sample();
  bad.chains[0]!.rules.push(rule(verdict.jump('nowhere')));
  await expect(nft.replaceTable(bad)).rejects.toMatchObject({ name: 'NetlinkError', code: 'ENOENT' });
  expect(await nft.readTable(NAME)).toEqual(sample());
  expect(await nft.generation()).toBe(generation);
});

test('a loop of jumps, found only when the batch is whole, is an error and changes nothing', async () => {
  const looped = sample();
  looped.chains[1]!.rules.push(rule(verdict.jump('other')));
  await expect(nft.replaceTable(looped)).rejects.toMatchObject({ name: 'NetlinkError' });
  expect(await nft.listTables()).toEqual([]);
});

test('elements come and go, all or none', async () => {
  await nft.replaceTable(sample());
  await nft.changeElements(NAME, [{ set: 'members', add: [member(3)], delete: [member(1)] }]);
  expect((await nft.readTable(NAME))?.sets[0]?.elements).toEqual([member(2), member(3)]);
  const refused = nft.changeElements(NAME, [{ set: 'members', add: [member(4)], delete: [member(9)] }]);
  await expect(refused).rejects.toMatchObject({ code: 'ENOENT' });
  expect((await nft.readTable(NAME))?.sets[0]?.elements).toEqual([member(2), member(3)]);
});

test('10,000 elements go in one batch and come back', async () => {
  const table = sample();
  table.sets[0]!.elements = Array.from({ length: 10_000 }, (_, i) => member(i));
  const generation = await nft.generation();
  await nft.replaceTable(table);
  expect(await nft.generation()).toBe(generation + 1);
  expect((await nft.readTable(NAME))?.sets[0]?.elements).toEqual(table.sets[0]!.elements);
  await nft.deleteElements(NAME, 'members', table.sets[0]!.elements);
  expect((await nft.readTable(NAME))?.sets[0]?.elements).toEqual([]);
});

test('deleting a table that is not there is a success', async () => {
  await nft.replaceTable(sample());
  await nft.deleteTable(NAME);
  await nft.deleteTable(NAME);
  expect(await nft.readTable(NAME)).toBeUndefined();
});

test('counters are read when asked for', async () => {
  await nft.replaceTable({
    ...NAME,
    sets: [],
    chains: [
      {
        name: 'output',
        base: { type: 'filter', hook: 'output', priority: 0, policy: 'accept' },
        rules: [rule(match.l4proto('udp'), counter(), verdict.drop())],
      },
    ],
  });
  namespace.run('ip', 'link', 'set', 'lo', 'up');
  namespace.run('sh', '-c', 'echo hello | socat - UDP-SENDTO:127.0.0.1:9 || true');
  const read = await nft.readTable(NAME, { counters: true });
  expect(read?.chains[0]?.rules[0]?.expressions[2]).toEqual({ kind: 'counter', packets: 1n, bytes: 34n });
});

test('a table that is read while others change the ruleset is never half of two', async () => {
  const small: Table = { ...sample(), sets: sample().sets.map((set) => ({ ...set, elements: [] })) };
  let writing = true;
  const writer = NftSocket.open({ netns: namespace.path });
  const churn = (async () => {
    for (let i = 0; writing; i++) {
      await writer.replaceTable(i % 2 ? small : sample());
      // let the reader have a turn
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  })();
  try {
    let consistent = 0;
    for (let i = 0; i < 40; i++) {
      const read = await nft.readTable(NAME).catch((error: unknown) => {
        expect(error).toMatchObject({ code: expect.stringMatching(/EBUSY|EINTR/) as string });
      });
      if (!read) continue;
      const elements = read.sets[0]?.elements.length ?? -1;
      expect(read).toEqual(elements === 0 ? small : sample());
      consistent++;
    }
    expect(consistent).toBeGreaterThan(0);
  } finally {
    writing = false;
    await churn;
    writer.close();
  }
});
