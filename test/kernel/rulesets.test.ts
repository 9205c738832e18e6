import { afterEach, beforeEach, expect, test } from 'vitest';
import { NftSocket } from 'netlink-ts';
import { WEFT_TABLE } from '../../src/kernel/guard-tables.ts';
import { Rulesets } from '../../src/kernel/rulesets.ts';
import type { HostGuardIntent, TenantGuardIntent } from '../../src/plan/ruleset.ts';
import { inside, TestUnderlay } from '../support/host-namespaces.ts';

let underlay: TestUnderlay;
let path: string;
let nft: NftSocket;
let rulesets: Rulesets;
/** names of messages that were sent */
let asked: string[];

beforeEach(() => {
  underlay = new TestUnderlay('rulesets');
  path = underlay.namespace('host');
  asked = [];
  nft = NftSocket.open({
    netns: path,
    wire: (line) => {
      if (line.startsWith('>')) asked.push(line);
    },
  });
  rulesets = new Rulesets(nft);
});
afterEach(() => {
  nft.close();
  underlay.remove();
});

function guard(...macs: string[]): HostGuardIntent {
  const members = macs.map((mac) => ({ source: '192.0.2.2', vni: 0x100001, mac }));
  return { kind: 'host-guard', vtep: '192.0.2.1', overlayPort: 14789, members };
}

const [A, B] = ['02:00:00:00:00:0a', '02:00:00:00:00:0b'];
const members = () => /elements = \{([^}]*)\}/.exec(inside(path, 'nft', 'list', 'set', 'inet', 'weft', 'members'))?.[1];
const repaired = async (intent: HostGuardIntent) => (await rulesets.ensure(intent)).repaired;
const reads = () => asked.filter((line) => !/GETGEN/i.test(line));

test('what nobody changed is not read again, and a new member is one batch', async () => {
  expect(await repaired(guard(A))).toEqual([]);
  asked = [];
  expect(await repaired(guard(A))).toEqual([]);
  expect(reads()).toEqual([]);
  const generation = await nft.generation();
  asked = [];
  expect(await repaired(guard(A, B))).toEqual([]);
  expect(reads().filter((line) => /GET/.test(line))).toEqual([]);
  expect(await nft.generation()).toBe(generation + 1);
  expect(members()?.split(',')).toHaveLength(2);
  asked = [];
  expect(await repaired(guard(B))).toEqual([]);
  expect(members()?.split(',')).toHaveLength(1);
});

test('what stood before and what stands now are told, from memory and from a look alike', async () => {
  const first = await rulesets.ensure(guard(A));
  expect(first.before).toBeUndefined();
  expect(first.after).toEqual(await nft.readTable(WEFT_TABLE));
  const second = await rulesets.ensure(guard(A, B));
  expect(second.before).toEqual(first.after);
  expect(second.after).toEqual(await nft.readTable(WEFT_TABLE));
  inside(path, 'nft', 'flush', 'set', 'inet', 'weft', 'members');
  const flushed = await nft.readTable(WEFT_TABLE);
  const third = await rulesets.ensure(guard(A, B));
  expect(third).toEqual({ before: flushed, after: second.after, repaired: ['guard-members'] });
});

test('what others changed is found and repaired, whatever was changed at the same time', async () => {
  await rulesets.ensure(guard(A));
  inside(path, 'nft', 'add', 'table', 'inet', 'foreign');
  expect(await repaired(guard(A))).toEqual([]);
  inside(path, 'nft', 'flush', 'set', 'inet', 'weft', 'members');
  expect(await repaired(guard(A, B))).toEqual(['guard-members']);
  expect(members()?.split(',')).toHaveLength(2);
  inside(path, 'nft', 'flush', 'ruleset');
  expect(await repaired(guard(A, B))).toEqual(['guard']);
  expect(members()?.split(',')).toHaveLength(2);
});

test('a change that others make in between is not written over unseen', async () => {
  await rulesets.ensure(guard(A));
  const stood = await nft.readTable(WEFT_TABLE);
  // The number is asked for, then somebody changes the ruleset, then the change of ours comes.
  const generation = nft.generation.bind(nft);
  let meddled = false;
  nft.generation = async (options) => {
    const number = await generation(options);
    if (!meddled) inside(path, 'nft', 'flush', 'set', 'inet', 'weft', 'members');
    meddled = true;
    return number;
  };
  expect(await repaired(guard(A, B))).toEqual(['guard-members']);
  expect(await repaired(guard(A))).toEqual([]);
  expect(await nft.readTable(WEFT_TABLE)).toEqual(stood);
});

test('a ruleset of another kind is still known after a change of the first', async () => {
  const tenant: TenantGuardIntent = { kind: 'tenant-guard', overlayPort: 14789 };
  await rulesets.ensure(tenant);
  await rulesets.ensure({ kind: 'port-guard', ports: [], known: [] });
  await rulesets.ensure({ kind: 'port-guard', ports: [], known: ['10.1.0.2'] });
  asked = [];
  await rulesets.ensure(tenant);
  expect(reads()).toEqual([]);
});
