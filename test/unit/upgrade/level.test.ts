/** Nodes of two versions in one cluster: what the later one may write when, and who may serve. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Housekeeping } from '../../../src/control/housekeeping.ts';
import { assertReadable, requireLevel, whenUnreadable } from '../../../src/control/level.ts';
import { startFrom } from '../../../src/control/kept/start.ts';
import { registerNode } from '../../../src/control/nodes.ts';
import { keys } from '../../../src/model/keys.ts';
import type { LevelRecord } from '../../../src/model/level.ts';
import type { Node } from '../../../src/model/objects.ts';
import { editionOf } from '../../../src/next-version.ts';
import { MemoryStore } from '../../../src/store/memory.ts';
import { TestCluster } from '../../support/control.ts';

type TestNode = Awaited<ReturnType<TestCluster['node']>>;

const signal = new AbortController().signal;
let cluster: TestCluster;
beforeEach(() => {
  cluster = new TestCluster();
});
afterEach(() => cluster.close());

const housekeep = ({ deps }: TestNode) => new Housekeeping(deps).round(signal);
const level = async () => {
  const { entry } = await new MemoryStore(cluster.shared).get(keys.level);
  return (entry?.value as LevelRecord | undefined)?.level;
};

/** The node's daemon starts again as another version. */
async function restartAs({ deps }: TestNode, version: string, readable: number): Promise<void> {
  Object.assign(deps, { version, level: readable });
  const record = deps.view.current().state.nodes.get(deps.node.id)!;
  await registerNode(deps, { ...record, version, level: readable }, signal);
}

describe('the level of a cluster', () => {
  it('rises with the last node that is upgraded, and what needs it is refused until then, naming who is missing', async () => {
    const [one, two] = [await cluster.node('host1'), await cluster.node('host2')];
    await housekeep(one);
    expect(await level()).toBe(1);
    await restartAs(two, '2.0.0', 2);
    await one.deps.view.sync({ deadline: 1_000 });
    for (const node of [one, two]) {
      await housekeep(node);
      expect(() => requireLevel(node.deps, 2, 'new things')).toThrow(
        expect.objectContaining({
          code: 'level-too-low',
          message: expect.stringContaining('not upgraded yet: host1 (0.0.0)') as string,
        }),
      );
      expect((await node.control.status()).conditions).toEqual([
        expect.objectContaining({
          type: 'upgrade-under-way',
          message: expect.stringContaining('host1 (0.0.0)') as string,
        }),
      ]);
    }
    await restartAs(one, '2.0.0', 2);
    await two.deps.view.sync({ deadline: 1_000 });
    await housekeep(two);
    expect(await level()).toBe(2);
    expect(() => requireLevel(two.deps, 2, 'new things')).not.toThrow();
    expect(await two.control.status()).toMatchObject({ level: 2, conditions: [] });
    expect((await two.control.listNodes()).map((node) => [node.name, node.level])).toEqual([
      ['host1', 2],
      ['host2', 2],
    ]);
  });

  it('waits since the upgrade began, not since the cluster was made', async () => {
    const [one, two] = [await cluster.node('host1'), await cluster.node('host2')];
    const status = async (at: string) => {
      one.deps.now = () => new Date(at);
      await one.deps.view.sync({ deadline: 1_000 });
      return (await one.control.status()).conditions.map(({ since }) => since);
    };
    expect(await status('2026-03-01T00:00:00.000Z')).toEqual([]);
    await restartAs(two, '2.0.0', 2);
    expect(await status('2026-03-02T00:00:00.000Z')).toEqual(['2026-03-02T00:00:00.000Z']);
    expect(await status('2026-03-03T00:00:00.000Z')).toEqual(['2026-03-02T00:00:00.000Z']);
    await restartAs(two, '1.0.0', 1);
    expect(await status('2026-03-04T00:00:00.000Z')).toEqual([]);
  });

  it('keeps who reads less from registering and from serving, and says what to install', async () => {
    const [one, two] = [await cluster.node('host1', { level: 2 }), await cluster.node('host2', { level: 2 })];
    await housekeep(two);
    await one.deps.view.sync({ deadline: 1_000 });
    expect(() => assertReadable(one.deps)).not.toThrow();
    const refusal = { code: 'state-newer', next: expect.stringContaining('as on host2') as string };
    await expect(restartAs(one, '0.0.1', 1)).rejects.toMatchObject(refusal);
    expect(() => assertReadable(one.deps)).toThrow(expect.objectContaining(refusal));
    await expect(cluster.node('host3')).rejects.toMatchObject({ code: 'state-newer' });
  });

  it('does not rise past a node that registers at the same moment', async () => {
    const one = await cluster.node('host1', { level: 2 });
    const transact = one.store.transact.bind(one.store);
    let late: TestNode | undefined;
    one.store.transact = async (transaction, options) => {
      // between the decision to rise and its transaction
      if (transaction.then.some((op) => 'put' in op && op.put === keys.level)) late ??= await cluster.node('late');
      return transact(transaction, options);
    };
    await housekeep(one);
    expect(late).toBeDefined();
    expect(await level()).toBe(1);
  });

  it('is not raced for by nodes that come back as they were', async () => {
    const nodes = [await cluster.node('host1'), await cluster.node('host2')];
    const { entry: before } = await new MemoryStore(cluster.shared).get(keys.level);
    await Promise.all(nodes.map((node) => restartAs(node, '0.0.1', 1)));
    expect((await new MemoryStore(cluster.shared).get(keys.level)).entry?.revision).toBe(before?.revision);
  });

  it('that rises although a node reads less ends that node', async () => {
    const one = await cluster.node('host1');
    const refused = new Promise((refuse) => whenUnreadable(one.deps, refuse));
    await new MemoryStore(cluster.shared).transact({ compare: [], then: [{ put: keys.level, value: { level: 2 } }] });
    expect(await refused).toMatchObject({ code: 'state-newer', object: 'cluster/level' });
  });

  it('counts in a kept picture as well', () => {
    const node = { id: 'a', name: 'a' } as Node;
    const entryOf = (key: string, value: unknown) => ({ key, value, revision: 1, created: 1 });
    const entries = [
      entryOf(keys.settings, { id: 'c' }),
      entryOf(keys.node('a'), node),
      entryOf(keys.level, { level: 2, since: '' }),
    ];
    const picture = { node: 'a', cluster: 'c', revision: 1, takenAt: '', entries };
    expect(startFrom({ ok: true, picture }, 'a', 1)).toEqual({
      ok: false,
      reason: expect.stringContaining('level 2') as string,
    });
    expect(startFrom({ ok: true, picture }, 'a', 2).ok).toBe(true);
  });
});

describe('WEFT_LEVEL', () => {
  it('is read beside WEFT_TEST=1 only, and names a level above today’s', () => {
    expect(editionOf({ WEFT_LEVEL: '2' })).toMatchObject({ level: 1, next: false });
    expect(editionOf({ WEFT_LEVEL: '2', WEFT_TEST: '1' })).toMatchObject({ level: 2, next: true });
    for (const text of ['1', '0', '-2', 'two', '2.5']) {
      expect(() => editionOf({ WEFT_LEVEL: text, WEFT_TEST: '1' })).toThrow(/WEFT_LEVEL/);
    }
  });
});
