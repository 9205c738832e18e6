import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { NftSocket } from 'netlink-ts';
import { ensureRuleset } from '../../src/kernel/ruleset.ts';
import { planPortGuard } from '../../src/plan/port-guard/plan.ts';
import { StateBuilder } from '../support/cluster-state.ts';

const NAMESPACE = `wpg${process.pid}`;
const attachment = { mode: 'sandbox', path: '/nowhere', ifname: 'eth0' } as const;
const cluster = new StateBuilder()
  .node('A', '192.0.2.1')
  .node('B', '192.0.2.2')
  .tenant('acme')
  .network('acme', 'web', {
    vni: 0x100001,
    subnets: [
      { cidr: '10.10.0.0/16', gateway: '10.10.0.1', reserved: [] },
      { cidr: 'fd00:10::/64', gateway: 'fd00:10::1', reserved: [] },
    ],
  })
  .endpoint('acme-web', 'one', { node: 'A', addresses: ['10.10.0.2/16', 'fd00:10::2/64'], attachment })
  .endpoint('acme-web', 'two', { node: 'A', addresses: ['10.10.0.3/16', 'fd00:10::3/64'], attachment })
  .endpoint('acme-web', 'far', { node: 'B', addresses: ['10.10.1.2/16', 'fd00:10::1:2/64'], attachment });
const intent = planPortGuard(cluster.build(), { tenant: 'acme', node: 'A' });
let nft: NftSocket;

beforeAll(() => {
  execFileSync('ip', ['netns', 'add', NAMESPACE]);
  nft = NftSocket.open({ netns: `/run/netns/${NAMESPACE}` });
});

afterAll(() => {
  nft.close();
  execFileSync('ip', ['netns', 'delete', NAMESPACE]);
});

test('the ruleset reads as one that a person wrote', async () => {
  await ensureRuleset(nft, intent);
  const text = execFileSync('ip', ['netns', 'exec', NAMESPACE, 'nft', 'list', 'table', 'bridge', 'weft'], {
    encoding: 'utf8',
  });
  await expect(text).toMatchFileSnapshot('../unit/plan/golden/port-guard.nft');
});

test('a second look changes nothing', async () => {
  expect(await ensureRuleset(nft, intent, { last: intent })).toEqual({ created: false, changed: false, repaired: [] });
});
