import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TestCluster } from '../../support/control.ts';

let cluster: TestCluster;
beforeEach(() => {
  cluster = new TestCluster();
});
afterEach(() => cluster.close());

const extension = (cidr: string, more: object = {}) => ({ ref: 'acme/web', revision: 0, subnet: { cidr }, ...more });

async function acme(...cidrs: string[]) {
  const [one, two] = [await cluster.node('host1'), await cluster.node('host2')];
  await one.control.createTenant({ name: 'acme' });
  const subnets = cidrs.map((cidr) => ({ cidr }));
  const web = await one.control.createNetwork({ tenant: 'acme', name: 'web', subnets });
  return { one: one.control, two: two.control, web };
}

describe('a network that is extended', () => {
  it('has the subnet on every host, and gives its addresses once the one before has none left', async () => {
    const { one, two } = await acme('10.1.0.0/30');
    const attach = async (name: string) =>
      (await two.attach({ network: 'acme/web', netns: `/run/netns/${name}`, name })).addresses[0];
    expect(await attach('a')).toBe('10.1.0.2/30');
    await expect(attach('b')).rejects.toMatchObject({
      code: 'pool-exhausted',
      object: 'acme/web',
      message: expect.stringContaining('host2 1') as string,
      next: 'weft network extend acme/web --subnet CIDR',
    });
    const extended = await one.extendNetwork(extension('10.2.0.0/29'));
    expect(extended.subnets).toMatchObject([
      { cidr: '10.1.0.0/30', used: '1', bound: '1', free: '0', percentUsed: 100 },
      { cidr: '10.2.0.0/29', gateway: '10.2.0.1', used: '0', bound: '0', free: '5', percentUsed: 0 },
    ]);
    expect(await two.getNetwork('acme/web')).toEqual(extended);
    expect(await attach('b')).toMatch(/^10\.2\.0\.[2-6]\/29$/);
    await two.detach('acme/web/a');
    expect((await two.getNetwork('acme/web')).subnets[0]).toMatchObject({ resting: '1', bound: '0', used: '1' });
  });

  it('keeps apart from what the tenant has, while it stands', async () => {
    const { one } = await acme('10.1.0.0/24');
    await one.createNetwork({ tenant: 'acme', name: 'db', subnets: [{ cidr: '10.2.0.0/24' }] });
    await expect(one.extendNetwork(extension('10.2.0.128/25'))).rejects.toMatchObject({
      code: 'subnet-overlap',
      message: '10.2.0.128/25 overlaps 10.2.0.0/24 of acme/db',
    });
    await one.extendNetwork(extension('10.3.0.0/24'));
    await expect(
      one.createNetwork({ tenant: 'acme', name: 'late', subnets: [{ cidr: '10.3.0.0/16' }] }),
    ).rejects.toMatchObject({ code: 'subnet-overlap' });
  });

  it('gives the subnet back when it is deleted', async () => {
    const { one } = await acme('10.1.0.0/24');
    await one.extendNetwork(extension('10.3.0.0/24'));
    await one.deleteNetwork({ ref: 'acme/web', force: false });
    const made = await one.createNetwork({ tenant: 'acme', name: 'late', subnets: [{ cidr: '10.3.0.0/16' }] });
    expect(made.subnets[0]?.cidr).toBe('10.3.0.0/16');
  });

  it('takes an IPv6 subnet only where its endpoints would have MAC addresses of their own', async () => {
    const { one } = await acme('fd00:1::/64');
    await expect(one.extendNetwork(extension('fd00:2::/64'))).rejects.toMatchObject({
      code: 'invalid-argument',
      message: expect.stringContaining('the same MAC addresses as fd00:1::/64') as string,
    });
    await one.createNetwork({ tenant: 'acme', name: 'small', subnets: [{ cidr: 'fd00:3::/112' }] });
    const extended = await one.extendNetwork({ ref: 'acme/small', revision: 0, subnet: { cidr: 'fd00:4::1:0/112' } });
    expect(extended.subnets).toHaveLength(2);
  });

  it('is extended by one of two who ask at once for the same range, and only at the revision that is given', async () => {
    const { one, two, web } = await acme('10.1.0.0/24');
    const both = await Promise.allSettled([one, two].map((control) => control.extendNetwork(extension('10.3.0.0/24'))));
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    await expect(one.extendNetwork(extension('10.4.0.0/24', { revision: web.revision }))).rejects.toMatchObject({
      code: 'changed-meanwhile',
    });
  });
});
