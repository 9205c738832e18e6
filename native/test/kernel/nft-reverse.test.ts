/** Rulesets of the nft command: read with this library, written into another namespace, and listed there by nft again. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { NftSocket, type Table } from '../../netlink-ts/nft/index.ts';
import { makeNamespace, type TestNamespace } from './nft-namespace.ts';

let theirs: TestNamespace;
let ours: TestNamespace;
let reader: NftSocket;
let writer: NftSocket;

beforeAll(() => {
  theirs = makeNamespace('nft-theirs');
  ours = makeNamespace('nft-ours');
  for (const namespace of [theirs, ours]) namespace.run('ip', 'link', 'add', 'wire0', 'type', 'bridge');
  reader = NftSocket.open({ netns: theirs.path });
  writer = NftSocket.open({ netns: ours.path });
});
beforeEach(() => {
  for (const namespace of [theirs, ours]) namespace.run('nft', 'flush', 'ruleset');
});
afterAll(() => {
  for (const socket of [reader, writer]) socket.close();
  for (const namespace of [theirs, ours]) namespace.remove();
});

function fixture(name: string): string {
  const text = readFileSync(new URL(`../fixtures/${name}`, import.meta.url), 'utf8');
  return name.endsWith('.json') ? (JSON.parse(text) as { ruleset: string }).ruleset : text;
}

/** What nft prints, without what the kernel numbers or counts by itself. */
function listing(namespace: TestNamespace): unknown {
  const volatile = new Set(['handle', 'expires', 'used', 'used_unit']);
  const text = namespace.run('nft', '-j', 'list', 'ruleset');
  return JSON.parse(text, (key, value: unknown) => (volatile.has(key) ? undefined : value));
}

async function tablesOf(socket: NftSocket): Promise<(Table | undefined)[]> {
  const tables = await socket.listTables();
  return Promise.all(tables.map((table) => socket.readTable(table)));
}

const FIXTURES = ['nft.json', 'nft-statements.json', 'nft-sets.json', 'nft-families.nft'];

test.each(FIXTURES)('%s is listed the same after it went through the model', async (name) => {
  theirs.load(fixture(name));
  const tables = await tablesOf(reader);
  for (const table of tables) await writer.replaceTable(table!);
  expect(await tablesOf(writer)).toEqual(tables);
  expect(listing(ours)).toEqual(listing(theirs));
});

test.each(FIXTURES)('%s has nothing that the model does not know', async (name) => {
  theirs.load(fixture(name));
  const text = JSON.stringify(await tablesOf(reader), (_, value: unknown) =>
    typeof value === 'bigint' ? String(value) : value,
  );
  expect(text).not.toMatch(/"kind":"other"|"other":"/);
});
