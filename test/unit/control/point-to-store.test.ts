/** How other nodes learn where etcd is: whom its node tells, and whose word counts. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { PeerClient } from '../../../src/api/peer-client.ts';
import { runsStore } from '../../../src/control/store-nodes.ts';
import { WeftError } from '../../../src/model/errors.ts';
import { keys } from '../../../src/model/keys.ts';
import type { Node } from '../../../src/model/objects.ts';
import { pointToStore } from '../../../src/point-to-store.ts';
import { TestCluster } from '../../support/control.ts';
import { until } from '../../support/until.ts';

const clock = () => performance.now();
const HERE = ['https://192.0.2.1:2379'];
const THERE = ['https://192.0.2.9:2379'];

let cluster: TestCluster;
let stop: AbortController;
beforeEach(() => {
  cluster = new TestCluster();
  stop = new AbortController();
});
afterEach(async () => {
  stop.abort();
  await cluster.close();
});

async function nodes(...names: string[]) {
  const made = [];
  for (const name of names) made.push(await cluster.node(name));
  return made;
}

type Made = Awaited<ReturnType<TestCluster['node']>>;

/** Its record tells that etcd is there. */
async function record(node: Made, storeEndpoints: string[]): Promise<void> {
  const key = keys.node(node.deps.node.id);
  const { revision } = await node.store.transact({
    compare: [],
    then: [{ put: key, value: { ...node.deps.view.value<Node>(key), storeEndpoints } }],
  });
  await until(() => node.deps.view.revision >= revision, { what: 'the record to be seen' });
}

describe('the node that runs etcd', () => {
  it('tells each other node where it is, once, and again when that changes', async () => {
    const [one, two, three] = (await nodes('host1', 'host2', 'host3')) as [Made, Made, Made];
    const tell = vi.fn<PeerClient['pointToStore']>().mockResolvedValue();
    let endpoints = HERE;
    const { view, node, log } = one.deps;
    let proven = false;
    const done = pointToStore(
      { view, peers: { pointToStore: tell }, node, endpoints: () => endpoints, mayTell: () => proven, clock, log },
      stop.signal,
    );
    expect(tell).not.toHaveBeenCalled();
    proven = true;
    const others = [two.deps.node.id, three.deps.node.id].sort();
    const told = (where: string[]) => tell.mock.calls.flatMap(([id, said]) => (said === where ? [id] : [])).sort();
    await until(() => told(HERE).length >= 2, { what: 'all to be told' });
    endpoints = THERE;
    await until(() => told(THERE).length >= 2, { what: 'all to be told anew' });
    stop.abort();
    await done;
    expect([told(HERE), told(THERE)]).toEqual([others, others]);
    expect(tell.mock.calls[0]?.[2]).toMatchObject({ deadline: expect.any(Number) as number });
  });

  it('goes on telling who did not hear it, and who is away', async () => {
    const [one, deaf, away] = (await nodes('host1', 'host2', 'host3')) as [Made, Made, Made];
    await away.store.transact({ compare: [], then: [{ delete: keys.live(away.deps.node.id) }] });
    await until(() => !one.deps.view.current().state.live.has(away.deps.node.id), { what: 'its end to be seen' });
    const tries = new Map<string, number>();
    const tell = (id: string) => {
      const count = (tries.get(id) ?? 0) + 1;
      tries.set(id, count);
      const hears = id !== deaf.deps.node.id || count === 2;
      return hears ? Promise.resolve() : Promise.reject(new WeftError('daemon-away', 'not yet'));
    };
    const { view, node, log } = one.deps;
    let now = 0;
    const done = pointToStore(
      {
        view,
        peers: { pointToStore: tell },
        node,
        endpoints: () => HERE,
        mayTell: () => true,
        clock: () => (now += 60_000),
        log,
      },
      stop.signal,
    );
    await until(() => (tries.get(away.deps.node.id) ?? 0) >= 3, { what: 'the third telling', deadline: 20_000 });
    stop.abort();
    await done;
    expect(tries.get(deaf.deps.node.id)).toBe(2);
  });
});

describe('a node that is told where etcd is', () => {
  const from = (node: Made) => ({ peer: { node: node.deps.node.id, address: '192.0.2.9' } });

  it('looks for it there, by the word of a node that runs etcd', async () => {
    const [one, two] = (await nodes('host1', 'host2')) as [Made, Made];
    two.deps.reachStoreAt = vi.fn<(endpoints: readonly string[]) => void>();
    await record(one, [`https://${one.deps.view.value<Node>(keys.node(one.deps.node.id))?.vtep}:2379`]);
    await until(() => runsStore(two.deps.view.value<Node>(keys.node(one.deps.node.id))!), { what: 'host2 to know it' });
    await two.control.pointToStore({ endpoints: THERE }, from(one));
    expect(two.deps.reachStoreAt).toHaveBeenCalledExactlyOnceWith(THERE);
  });

  it('hears neither nodes that only use etcd, nor who is no node', async () => {
    const [one, two] = (await nodes('host1', 'host2')) as [Made, Made];
    one.deps.reachStoreAt = vi.fn<(endpoints: readonly string[]) => void>();
    await record(two, ['https://203.0.113.1:2379']);
    for (const caller of [from(two), { peer: { node: 'unknown', address: '192.0.2.9' } }, {}]) {
      await expect(one.control.pointToStore({ endpoints: THERE }, caller)).rejects.toMatchObject({
        code: 'not-allowed',
      });
    }
    expect(one.deps.reachStoreAt).not.toHaveBeenCalled();
  });
});

describe('a node runs etcd', () => {
  it.each([
    ['192.0.2.1', ['https://192.0.2.1:2379'], true],
    ['2001:db8::1', ['https://[2001:db8::1]:2379'], true],
    ['192.0.2.1', ['https://192.0.2.11:2379'], false],
    ['192.0.2.1', ['nonsense'], false],
    ['192.0.2.1', [], false],
  ])('at %s by %j: %s', (vtep, storeEndpoints, runs) => {
    expect(runsStore({ vtep, storeEndpoints } as Partial<Node> as Node)).toBe(runs);
  });
});
