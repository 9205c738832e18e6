import pino from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ClusterView } from '../../../src/control/cluster-view.ts';
import { EgressLead } from '../../../src/control/egress-lead.ts';
import { keys } from '../../../src/model/keys.ts';
import type { Egress, EgressHolder } from '../../../src/model/objects.ts';
import { MemoryState } from '../../../src/store/memory-state.ts';
import { MemoryStore } from '../../../src/store/memory.ts';
import { StateBuilder } from '../../support/cluster-state.ts';
import { until } from '../../support/until.ts';

const TENANT = 'acme';
const PIN = { nodes: ['one', 'two'], addresses: ['192.0.2.50'], vni: 1 };

/** What its kernel would have. */
interface Candidate {
  store: MemoryStore;
  lead: EgressLead;
  /** how often its kernel was to keep the addresses */
  kept: number;
  leads(): boolean;
  stop(): Promise<void>;
}

let shared: MemoryState;
let admin: MemoryStore;
let candidates: Candidate[];
/** a step down waits for it: the kernel lets go */
let kernel: Promise<void>;

beforeEach(async () => {
  shared = new MemoryState();
  admin = new MemoryStore(shared);
  candidates = [];
  kernel = Promise.resolve();
  const { tenants, nodes } = new StateBuilder().tenant(TENANT).node('one', '192.0.2.1').node('two', '192.0.2.2');
  await write(keys.tenant(TENANT), tenants.get(TENANT));
  for (const [id, node] of nodes) await write(keys.node(id), node);
  await pin(PIN);
});

afterEach(async () => {
  for (const candidate of candidates) await candidate.stop();
  await admin.close();
});

async function write(key: string, value: unknown): Promise<void> {
  await admin.transact({ compare: [], then: [value === undefined ? { delete: key } : { put: key, value }] });
}

function pin(wish: Egress['pin'] | undefined): Promise<void> {
  const egress: Egress = { tenant: TENANT, off: false, ipv6: 'nat', allow: [], ...(wish ? { pin: wish } : {}) };
  return write(keys.egress(TENANT), egress);
}

const live = (node: string, lives = true) => write(keys.live(node), lives ? { node, bootId: 'b' } : undefined);

async function holder(): Promise<EgressHolder | undefined> {
  return (await admin.get(keys.egressHolder(TENANT))).entry?.value as EgressHolder | undefined;
}

function candidate(id: string): Candidate {
  const store = new MemoryStore(shared);
  const view = new ClusterView(store);
  const stop = new AbortController();
  const lead = new EgressLead({
    ...{ store, view, node: { id }, mayLead: () => true, log: pino({ level: 'silent' }) },
    reconciler: { wake: ({ kind }) => void (made.kept += Number(kind === 'host')), waitUntil: () => kernel },
    ...{ now: () => new Date('2026-01-01T00:00:00Z'), clock: () => performance.now() },
  });
  const runs = [view.run(stop.signal), lead.run(stop.signal)];
  const made: Candidate = {
    store,
    lead,
    kept: 0,
    leads: () => view.usable && lead.seen(view.current().state).egressHolders.get(TENANT)?.node === id,
    stop: async () => {
      stop.abort();
      await Promise.all(runs);
      await store.close();
    },
  };
  candidates.push(made);
  return made;
}

async function led(by: Candidate): Promise<void> {
  await until(() => by.leads(), { what: 'the lead' });
  expect(candidates.filter((one) => one.leads())).toEqual([by]);
}

describe('the lead of pinned egress', () => {
  it('is the first’s that lives, passes on with its life, and comes back after the kernel has let go', async () => {
    const [one, two] = [candidate('one'), candidate('two')];
    await live('two');
    await led(two);
    let letGo: () => void = () => undefined;
    kernel = new Promise((resolve) => (letGo = resolve));
    await live('one');
    await until(() => !two.leads(), { what: 'two to step down' });
    expect(await holder()).toMatchObject({ node: 'two' });
    expect(one.leads()).toBe(false);
    letGo();
    await led(one);
    expect(await holder()).toMatchObject({ node: 'one', since: '2026-01-01T00:00:00.000Z' });
    await live('one', false);
    await led(two);
  });

  it('of one tenant is taken, and the addresses are kept, though the kernel lets go of no other', async () => {
    const one = candidate('one');
    await live('one');
    await led(one);
    kernel = Promise.reject(new Error('the kernel does not let go'));
    kernel.catch(() => undefined);
    await pin(undefined);
    await write(keys.tenant('beta'), new StateBuilder().tenant('beta').tenants.get('beta'));
    const pinned: Egress = { tenant: 'beta', off: false, ipv6: 'nat', allow: [], pin: { ...PIN, vni: 2 } };
    await write(keys.egress('beta'), pinned);
    await until(async () => (await admin.get(keys.egressHolder('beta'))).entry !== undefined, { what: 'the lead' });
    const before = one.kept;
    await until(() => one.kept > before, { what: 'the addresses to be kept' });
    expect(await holder()).toMatchObject({ node: 'one' });
  });

  it('is nobody’s where nothing is pinned', async () => {
    const two = candidate('two');
    await live('two');
    await led(two);
    await pin(undefined);
    await until(async () => (await holder()) === undefined, { what: 'the record to go' });
    expect(two.leads()).toBe(false);
  });

  it('is claimed anew by a daemon that starts again, and not acted upon before', async () => {
    const before = candidate('one');
    await live('one');
    await led(before);
    const first = await holder();
    await before.stop();
    const after = candidate('one');
    candidates = [after];
    await led(after);
    expect(await holder()).toMatchObject({ node: 'one', since: first!.since });
    expect((await holder())!.session).not.toBe(first!.session);
  });

  it('ends here before the store may give it to another', async () => {
    const one = candidate('one');
    await live('one');
    await led(one);
    expect(one.lead.left()).toBeGreaterThan(0);
    one.store.setAway(true);
    await until(() => one.lead.left() === 0, { what: 'the end of the lease', deadline: 15_000 });
    expect(one.leads()).toBe(false);
    expect(await holder()).toMatchObject({ node: 'one' });
  });
});
