/** The rulesets of a host and of a tenant as `nft` lists them: something a person could have written. */
import { mkdirSync, rmSync } from 'node:fs';
import { createNamespace, deleteNamespace, NftSocket, openNamespace } from 'netlink-ts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ensureRuleset, rulesetStands } from '../../src/kernel/ruleset.ts';
import { planGuard, planTenantGuard } from '../../src/plan/guard.ts';
import type { TenantGuardIntent } from '../../src/plan/ruleset.ts';
import { clusterSettings, StateBuilder } from '../support/cluster-state.ts';
import { inside } from '../support/host-namespaces.ts';

const VNI = 0x100000;
const folder = `/run/weft-test-${process.pid}-golden`;
const path = `${folder}/host`;
const settings = clusterSettings();

const states = new StateBuilder()
  .tenant('acme')
  .tenant('beta')
  .node('one', '192.0.2.1')
  .node('two', '192.0.2.2')
  .network('acme', 'web', { vni: VNI })
  .network('acme', 'db', { vni: VNI + 1 })
  .network('beta', 'web', { vni: VNI + 2 })
  .binding('acme-web', 'one')
  .binding('acme-db', 'two')
  .binding('beta-web', 'one')
  .router('acme', 'core', ['acme-db', 'acme-web'])
  .egress('acme', {
    allow: [
      { cidr: '192.0.2.2/32', service: { protocol: 'tcp', port: 5432 } },
      { cidr: '10.0.0.0/12' },
      { cidr: '2001:db8::/32', service: { protocol: 'udp', port: 53 } },
    ],
  });
states.nodes.set('one', { ...states.nodes.get('one')!, interface: 'eth0' });

const published = new StateBuilder()
  .tenant('acme')
  .tenant('beta')
  .node('one', '192.0.2.1')
  .node('two', '192.0.2.2')
  .network('acme', 'web', {
    vni: VNI,
    subnets: [
      { cidr: '10.10.0.0/16', gateway: '10.10.0.1', reserved: [] },
      { cidr: 'fd00:10::/64', gateway: 'fd00:10::1', reserved: [] },
    ],
  })
  .network('beta', 'web', { vni: VNI + 1 })
  .egress('beta', { off: true })
  .endpoint('acme-web', 'a', {
    node: 'one',
    addresses: ['10.10.0.10/16', 'fd00:10::10/64'],
    attachment: { mode: 'sandbox', path: '/run/netns/a', ifname: 'eth0' },
    ports: [
      { protocol: 'tcp', address: '', hostPort: 8080, port: 80 },
      { protocol: 'udp', address: '127.0.0.1', hostPort: 53, port: 5353 },
    ],
  })
  .endpoint('beta-web', 'b', {
    node: 'one',
    addresses: ['10.10.0.10/16'],
    attachment: { mode: 'sandbox', path: '/run/netns/b', ifname: 'eth0' },
    ports: [
      { protocol: 'tcp', address: '192.0.2.1', hostPort: 443, port: 443 },
      { protocol: 'tcp', address: '127.0.0.1', hostPort: 443, port: 8443 },
    ],
  });
published.nodes.set('one', { ...published.nodes.get('one')!, addresses: ['192.0.2.1', '2001:db8::1'] });

const features = { counts: true };

function tenantGuard(builder: StateBuilder, tenant: string): TenantGuardIntent {
  return planTenantGuard(builder.build(), tenant, { node: 'one', settings });
}
const pinned = (leader: string) =>
  new StateBuilder()
    .tenant('acme')
    .node('one', '192.0.2.1')
    .node('two', '192.0.2.2')
    .network('acme', 'web', { vni: VNI })
    .binding('acme-web', 'one')
    .egress('acme', { pin: { nodes: ['one', 'two'], addresses: ['192.0.2.50', '2001:db8::50'], vni: VNI + 9 } })
    .leader('acme', leader);

beforeEach(() => {
  mkdirSync(folder, { recursive: true });
  createNamespace(path);
});

afterEach(() => {
  deleteNamespace(path);
  rmSync(folder, { recursive: true });
});

describe('the rulesets of routing', () => {
  it.each([
    ['routing-host', planGuard(states.build(), 'one', settings)],
    ['routing-tenant', tenantGuard(states, 'acme')],
    ['ports-host', planGuard(published.build(), 'one', settings)],
    ['ports-tenant', tenantGuard(published, 'acme')],
    ['ports-tenant-closed', tenantGuard(published, 'beta')],
    ['pinned-host', planGuard(pinned('one').build(), 'one', settings)],
    ['pinned-tenant', tenantGuard(pinned('two'), 'acme')],
  ] as const)('of a %s read as in its file, and are read back as they were written', async (name, intent) => {
    const namespace = openNamespace(path);
    const nft = NftSocket.open({ netns: namespace.fd });
    try {
      expect(await ensureRuleset(nft, intent, { features })).toMatchObject({ created: true });
      const again = await ensureRuleset(nft, intent, { features, last: intent });
      expect(again).toMatchObject({ changed: false, repaired: [] });
      expect([await rulesetStands(nft, intent), await rulesetStands(nft, intent, features)]).toEqual([true, true]);
    } finally {
      nft.close();
      namespace.close();
    }
    await expect(listing()).toMatchFileSnapshot(`golden/${name}.nft`);
  });
});

/** Without counts, and with the elements of sets in order: the kernel's own is that of a hash table. */
function listing(): string {
  return inside(path, 'nft', 'list', 'table', 'inet', 'weft')
    .replace(/packets \d+ bytes \d+ /g, '')
    .replace(/elements = \{([^}]*)\}/g, (_, elements: string) => {
      const sorted = elements.split(',').map((element) => element.trim());
      return `elements = {\n${sorted
        .sort()
        .map((element) => `\t\t\t${element},\n`)
        .join('')}\t\t}`;
    });
}
