/** Single changes beside whole tables: in one batch, all or none, and bound to a generation when asked. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import {
  commented,
  keyField,
  match,
  NftSocket,
  rule,
  StaleGenerationError,
  verdict,
  type NftSet,
  type Rule,
  type SetElement,
  type Table,
} from '../../netlink-ts/nft/index.ts';
import { makeNamespace, type TestNamespace } from './nft-namespace.ts';

let namespace: TestNamespace;
let nft: NftSocket;

beforeAll(() => {
  namespace = makeNamespace('nft-change');
  nft = NftSocket.open({ netns: namespace.path });
});
beforeEach(async () => {
  namespace.run('nft', 'flush', 'ruleset');
  await nft.replaceTable(sample());
});
afterAll(() => {
  nft.close();
  namespace.remove();
});

const NAME = { family: 'inet', name: 'changed' } as const;
const nets: NftSet = {
  name: 'nets',
  key: [keyField.from('ip saddr')],
  flags: ['interval'],
  elements: [{ key: '0a000000', keyEnd: '0affffff' }, { key: 'c0000201' }],
};

function named(comment: string): Rule {
  return commented(comment, rule(match.l4proto('tcp'), verdict.accept()));
}

function sample(): Table {
  return { ...NAME, sets: [nets], chains: [{ name: 'rules', rules: [named('a'), named('b'), named('c')] }] };
}

async function comments(): Promise<(string | undefined)[]> {
  return (await nft.readRules(NAME)).map(({ rule: { comment } }) => comment);
}

async function handleOf(comment: string): Promise<bigint> {
  const found = (await nft.readRules(NAME)).find(({ rule }) => rule.comment === comment);
  if (!found) throw new Error(`no rule ${comment}`);
  return found.handle;
}

async function elementsOf(set: string): Promise<SetElement[] | undefined> {
  return (await nft.readTable(NAME))?.sets.find(({ name }) => name === set)?.elements;
}

test('rules come before, behind, at both ends and in place of others', async () => {
  await nft.change(NAME, [
    { do: 'add rule', chain: 'rules', rule: named('last') },
    { do: 'add rule', chain: 'rules', rule: named('first'), place: { first: true } },
    { do: 'add rule', chain: 'rules', rule: named('after a'), place: { after: await handleOf('a') } },
    { do: 'add rule', chain: 'rules', rule: named('before c'), place: { before: await handleOf('c') } },
    { do: 'add rule', chain: 'rules', rule: named('not b'), place: { inPlaceOf: await handleOf('b') } },
  ]);
  expect(await comments()).toEqual(['first', 'a', 'after a', 'not b', 'before c', 'c', 'last']);
});

test('rules go by their handle, or with all of their chain', async () => {
  await nft.change(NAME, [{ do: 'delete rule', chain: 'rules', handle: await handleOf('b') }]);
  expect(await comments()).toEqual(['a', 'c']);
  await nft.change(NAME, [{ do: 'flush chain', chain: 'rules' }]);
  expect(await nft.readTable(NAME)).toEqual({ ...sample(), chains: [{ name: 'rules', rules: [] }] });
});

test('a chain, a map that jumps to it and a rule that looks it up come in one batch and go in another', async () => {
  const key = [keyField.from('ip daddr')];
  const chain = { name: 'own', comment: 'of one endpoint', rules: [rule(verdict.drop())] };
  const map: NftSet = {
    name: 'owners',
    key,
    flags: ['map'],
    data: 'verdict',
    elements: [{ key: '0a000001', value: { verdict: 'jump', chain: 'own' } }],
  };
  const before = await nft.generation();
  await nft.change(NAME, [
    { do: 'add chain', chain },
    { do: 'add set', set: map },
    { do: 'add rule', chain: 'rules', rule: rule(match.nfproto('ipv4'), match.verdictOf('owners', key)) },
  ]);
  expect(await nft.generation()).toBe(before + 1);
  expect(namespace.run('nft', 'list', 'table', 'inet', 'changed')).toMatch(/ip daddr vmap @owners/);
  const read = await nft.readTable(NAME);
  expect(read?.chains).toContainEqual(chain);
  expect(read?.sets).toContainEqual(map);
  const lookup = (await nft.readRules(NAME)).findLast(({ chain }) => chain === 'rules')!;
  await nft.change(NAME, [
    { do: 'delete rule', chain: 'rules', handle: lookup.handle },
    { do: 'delete set', set: 'owners' },
    { do: 'delete chain', chain: 'own' },
  ]);
  expect(await nft.readTable(NAME)).toEqual(sample());
});

test('intervals come and go as they were given', async () => {
  const more = { key: 'c0000210', keyEnd: 'c0000214' };
  await nft.changeElements(NAME, [{ set: nets, add: [more], delete: [{ key: '0a000000', keyEnd: '0affffff' }] }]);
  expect(await elementsOf('nets')).toEqual([{ key: 'c0000201' }, more]);
  expect(namespace.run('nft', 'list', 'set', 'inet', 'changed', 'nets')).toContain('192.0.2.16-192.0.2.20');
  await nft.change(NAME, [{ do: 'flush set', set: 'nets' }]);
  expect(await elementsOf('nets')).toEqual([]);
});

test('intervals that touch stay two', async () => {
  const halves = [
    { key: '0b000000', keyEnd: '0b7fffff' },
    { key: '0b800000', keyEnd: '0bffffff' },
    { key: 'ff000000', keyEnd: 'ffffffff' },
  ];
  await nft.addElements(NAME, nets, halves);
  expect(await elementsOf('nets')).toEqual([nets.elements[0], ...halves.slice(0, 2), nets.elements[1], halves[2]]);
});

test('one refused change refuses them all', async () => {
  const refused = nft.change(NAME, [
    { do: 'flush chain', chain: 'rules' },
    { do: 'delete chain', chain: 'nowhere' },
  ]);
  await expect(refused).rejects.toMatchObject({ name: 'NetlinkError', code: 'ENOENT', index: 2 });
  expect(await nft.readTable(NAME)).toEqual(sample());
});

test('a change that was made for another generation is refused as stale', async () => {
  const generation = await nft.generation();
  await nft.change(NAME, [{ do: 'add rule', chain: 'rules', rule: named('d') }], { generation });
  expect(await comments()).toEqual(['a', 'b', 'c', 'd']);
  const stale = nft.change(NAME, [{ do: 'flush chain', chain: 'rules' }], { generation });
  await expect(stale).rejects.toBeInstanceOf(StaleGenerationError);
  await expect(nft.deleteTable(NAME, { generation })).rejects.toMatchObject({ generation });
  await expect(nft.replaceTable(sample(), { generation })).rejects.toBeInstanceOf(StaleGenerationError);
  expect(await comments()).toEqual(['a', 'b', 'c', 'd']);
});

test('elements live as long as they say, and what is left of it is read when asked for', async () => {
  const set: NftSet = {
    name: 'timed',
    key: [keyField.of('mark')],
    flags: ['timeout'],
    timeout: 3_600_000,
    gcInterval: 10_000,
    size: 64,
    elements: [{ key: '01000000' }, { key: '02000000', timeout: 7_200_000, comment: 'longer' }],
  };
  await nft.change(NAME, [{ do: 'add set', set }]);
  expect((await nft.readTable(NAME))?.sets.at(-1)).toEqual(set);
  const live = (await nft.readTable(NAME, { counters: true }))?.sets.at(-1)?.elements[1];
  expect(live?.expires).toBeGreaterThan(3_600_000);
  expect(live?.expires).toBeLessThanOrEqual(7_200_000);
});
