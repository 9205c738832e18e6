/** Space that left a node, of which the node does not know yet that it arrived. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { SpaceRecord } from '../../../src/control/ownership/space-records.ts';
import { partOf } from '../../../src/model/ipam/blocks.ts';
import type { BlockRecord } from '../../../src/model/ipam/blocks.ts';
import { parseAddress } from '../../../src/model/address/address.ts';
import { WeftError } from '../../../src/model/errors.ts';
import { prefixes } from '../../../src/model/keys.ts';
import { TestCluster } from '../../support/control.ts';

type Node = Awaited<ReturnType<TestCluster['node']>>;

const OPTIONS = { deadline: 4_000 };
let cluster: TestCluster;
let giver: Node;
let taker: Node;
let network: string;

beforeEach(async () => {
  cluster = new TestCluster();
  [giver, taker] = [await cluster.node('host1'), await cluster.node('host2')];
  await giver.control.createTenant({ name: 'acme' });
  const subnets = [{ cidr: '10.10.0.0/24' }];
  ({ id: network } = await giver.control.createNetwork({ tenant: 'acme', name: 'web', subnets }));
});
afterEach(() => cluster.close());

const attach = async (node: Node, wanted?: string) => {
  const request = { network: 'acme/web', netns: '/run/netns/c', ...(wanted && { addresses: [wanted] }) };
  const { id, addresses } = await node.control.attach(request);
  return { id, address: addresses[0]?.split('/')[0] ?? '' };
};
const spaceOf = ({ deps }: Node) => deps.ownership.records.get<SpaceRecord>(`space/${network}`);

async function ownerOf(address: string): Promise<string | undefined> {
  await giver.deps.view.sync({ deadline: 1_000 });
  const owners = giver.deps.view
    .list<BlockRecord>(prefixes.blocksOf(network))
    .map((record) => partOf(record, parseAddress(address)?.value ?? -1n)?.owner);
  return owners.find((owner) => owner !== undefined);
}

/** What it changes of blocks reaches the store, and it does not hear of it. */
function loseAnswers({ store }: Node): () => void {
  const transact = store.transact.bind(store);
  store.transact = async (transaction, ...rest) => {
    const written = await transact(transaction, ...rest);
    const ofBlocks = transaction.then.some((one) => 'put' in one && one.put.startsWith(prefixes.blocks));
    if (ofBlocks) throw new WeftError('store-away', 'the answer was lost');
    return written;
  };
  return () => (store.transact = transact);
}

it('stays with who claimed it anew when it had become free again', async () => {
  const { id, address } = await attach(giver);
  await giver.control.detach(id);
  giver.deps.ownership.records.append([{ delete: `addresses/${network}/${address}` }]);
  await cluster.published();
  const heard = loseAnswers(giver);
  const guest = await attach(taker, address);
  heard();
  expect(guest.address).toBe(address);
  expect(spaceOf(giver)?.moving).toEqual([{ cidr: `${address}/32`, to: taker.deps.node.id }]);

  await taker.control.detach(guest.id);
  await taker.deps.ownership.giving.giveBack(network, () => true, OPTIONS);
  expect(await ownerOf(address)).toBeUndefined();

  expect((await attach(giver, address)).address).toBe(address);
  await giver.deps.ownership.space.settle(network, OPTIONS);
  expect(spaceOf(giver)?.moving).toEqual([]);
  expect(await ownerOf(address)).toBe(giver.deps.node.id);
});
