/** How long a released address rests, seen by looks that may take long themselves. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Housekeeping } from '../../../src/control/housekeeping.ts';
import { RESTING_TIME } from '../../../src/model/limits.ts';
import { TestCluster } from '../../support/control.ts';

let cluster: TestCluster;
let clock = 0;

beforeEach(() => {
  cluster = new TestCluster();
  clock = 0;
});
afterEach(() => cluster.close());

it('is counted from the release on, also when a look was under way for seconds', async () => {
  const { control, deps, store } = await cluster.node('host1');
  await control.createTenant({ name: 'acme' });
  await control.createNetwork({ tenant: 'acme', name: 'web', subnets: [{ cidr: '10.10.0.0/24' }] });
  const attach = (name: string) => control.attach({ network: 'acme/web', netns: `/run/netns/${name}`, name });
  await attach('first');
  await attach('second');
  await cluster.published();
  store.setAway(true);
  await control.detach('acme/web/first');
  store.setAway(false);
  const housekeeping = new Housekeeping(deps, () => clock);
  const look = () => housekeeping.round(new AbortController().signal);
  const resting = () => [...deps.ownership.records.entries('addresses/')].length;
  // The store's answer takes five seconds, and the release comes in the last of them.
  const transact = store.transact.bind(store);
  store.transact = async (...what) => {
    const answer = await transact(...what);
    if (clock === 0) {
      clock = 5_000;
      await control.detach('acme/web/second');
    }
    return answer;
  };
  await look();
  expect(clock).toBe(5_000);
  const left = [];
  for (clock = RESTING_TIME; clock <= RESTING_TIME + 5_000; clock += 500) {
    await look();
    left.push(resting());
  }
  expect(left).toEqual([2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 0]);
});
