import pino from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { linkNames } from '../../../src/model/names.ts';
import { ReconcileLoop } from '../../../src/reconcile/loop.ts';
import type { Hold } from '../../../src/reconcile/port.ts';
import { clusterSettings, StateBuilder } from '../../support/cluster-state.ts';
import { FakeKernel } from '../../support/fake-kernel.ts';
import { until } from '../../support/until.ts';

const VNI = 0x100000;
const DEADLINE = 2_000;
const PORT = `link ${linkNames.port('a')}`;
const VXLAN = `link ${linkNames.vxlan(VNI)}`;

let states: StateBuilder;
let kernel: FakeKernel;
let current: { state: ReturnType<StateBuilder['build']>; complete: boolean; partial?: boolean; hold?: Hold };
let loop: ReconcileLoop;
let stop: AbortController;
let running: Promise<void>;

beforeEach(() => {
  states = new StateBuilder()
    .tenant('acme')
    .node('one', '192.0.2.1')
    .node('two', '192.0.2.2')
    .network('acme', 'web', { vni: VNI });
  states.endpoint('acme-web', 'b', { node: 'two', addresses: ['10.10.0.20/16'], attachment: sandbox('/b') });
  kernel = new FakeKernel();
  current = { state: states.build(), complete: true };
  stop = new AbortController();
  loop = new ReconcileLoop({
    source: { current: () => current },
    kernel,
    node: 'one',
    settings: clusterSettings(),
    log: pino({ level: 'silent' }),
    random: () => 0,
    leads: () => 60_000,
  });
  running = loop.run(stop.signal);
});

afterEach(async () => {
  stop.abort();
  await running;
});

const sandbox = (path: string) => ({ mode: 'sandbox', path, ifname: 'eth0' }) as const;

function attachA(): number {
  states.endpoint('acme-web', 'a', { node: 'one', addresses: ['10.10.0.10/16'], attachment: sandbox('/a') });
  return publish();
}

function publish(): number {
  current = { state: states.build(), complete: true };
  loop.wake({ kind: 'tenant', tenant: 'acme', reason: 'test' });
  return current.state.revision;
}

const reached = (revision: number, endpoint?: string) =>
  loop.waitUntil({ revision, tenant: 'acme', ...(endpoint ? { endpoint } : {}) }, { deadline: DEADLINE });

describe('the loop', () => {
  it('does not say that a tenant is applied while addresses may stand that it led by', async () => {
    const pin = { nodes: ['one', 'two'], addresses: ['192.0.2.50'], vni: VNI + 1 };
    states.tenant('beta').egress('acme', { pin }).leader('acme', 'one');
    await reached(publish());
    expect(kernel.pinned).toEqual(pin.addresses);
    kernel.addressesFail = true;
    states.egressHolders.clear();
    const revision = publish();
    loop.wake({ kind: 'tenant', tenant: 'beta', reason: 'test' });
    await loop.waitUntil({ revision, tenant: 'beta' }, { deadline: DEADLINE });
    await expect(loop.waitUntil({ revision, tenant: 'acme' }, { deadline: 1 })).rejects.toThrow('not applied');
    kernel.addressesFail = false;
    await reached(publish());
    expect(kernel.pinned).toEqual([]);
  });

  it('builds what is planned, guards before it builds, and is quiet when all is well', async () => {
    await reached(attachA(), 'a');
    expect(kernel.calls.slice(-3)).toEqual(['guard host', 'guard acme', 'guard ports acme']);
    expect(loop.endpointStatus('a')).toMatchObject({ state: 'ready' });
    const before = kernel.applied.length;
    await reached(publish());
    expect(kernel.applied).toHaveLength(before);
    expect(loop.repairs()).toEqual({ total: 0, byKind: {} });
  });

  it('builds from what was kept of the cluster, and takes nothing away for what it lacks but ports of ended endpoints', async () => {
    await reached(attachA(), 'a');
    const whole = current.state.revision;
    const fdb = () => [...(kernel.worlds.get('acme')?.keys() ?? [])].filter((key) => key.startsWith('fdb'));
    const before = fdb();
    const keep = () => {
      current = { state: states.build(), complete: false, partial: true };
      loop.wake({ kind: 'all', reason: 'test' });
      return reached(current.state.revision);
    };
    states.endpoints.delete('b');
    states.endpoint('acme-web', 'c', { node: 'two', addresses: ['10.10.0.30/16'], attachment: sandbox('/c') });
    await keep();
    expect(fdb()).toEqual(expect.arrayContaining(before));
    expect(fdb().length).toBeGreaterThan(before.length);
    await until(() => loop.applied().revision === 0, { what: 'nothing counts as applied of it' });
    states.endpoints.delete('a');
    await keep();
    expect(kernel.worlds.get('acme')?.has(PORT)).toBe(false);
    states.endpoints.delete('c');
    await keep();
    expect(kernel.worlds.get('acme')?.has(VXLAN)).toBe(true);
    expect(publish()).toBeGreaterThan(whole);
    await until(() => !kernel.worlds.has('acme'), { what: 'the tenant to go with the whole picture' });
    expect(loop.applied().revision).toBeGreaterThan(whole);
  });

  it('does nothing before the first whole snapshot: an empty answer is not an empty world', async () => {
    await reached(attachA(), 'a');
    const whole = current;
    current = { state: { ...whole.state, tenants: new Map(), endpoints: new Map() }, complete: false };
    loop.wake({ kind: 'all', reason: 'test' });
    const waiting = loop.waitUntil({ revision: 1_000, tenant: 'acme' }, { deadline: 50 });
    await expect(waiting).rejects.toMatchObject({ code: 'not-ready' });
    expect(kernel.worlds.get('acme')?.has(PORT)).toBe(true);
    current = whole;
  });

  it('repairs what an event tells of, and counts what nobody asked for', async () => {
    await reached(attachA(), 'a');
    kernel.damage('acme', VXLAN);
    kernel.emit({ namespace: 'acme', what: 'link' });
    await until(() => loop.repairs().byKind.vxlan === 1, { what: 'the repair', deadline: DEADLINE });
    expect(loop.repairs().byKind).toEqual({ vxlan: 1, fdb: 2 });
    kernel.worlds.get('acme')?.set('neighbour x', {
      kind: 'neighbour',
      link: linkNames.bridge(VNI),
      address: '10.10.9.9',
      mac: '02:00:00:00:00:01',
    });
    kernel.emit({ namespace: 'acme', what: 'neighbour' });
    await until(() => loop.repairs().byKind.neighbour === 1, {
      what: 'the addition is taken away',
      deadline: DEADLINE,
    });
  });

  it('tells the one whose object failed, goes on with the others, and tries again', async () => {
    kernel.failing.add(PORT);
    await expect(reached(attachA(), 'a')).rejects.toThrow(`${PORT} fails`);
    expect(loop.endpointStatus('a')).toMatchObject({ state: 'failed' });
    expect(loop.conditions()).toMatchObject([{ object: PORT, message: `${PORT} fails` }]);
    expect(kernel.worlds.get('acme')?.has(VXLAN)).toBe(true);
    kernel.failing.clear();
    await until(() => loop.endpointStatus('a').state === 'ready', { what: 'the next try', deadline: DEADLINE });
    expect(loop.conditions()).toEqual([]);
    expect(loop.repairs().total).toBe(0);
  });

  it('builds nothing without its guard', async () => {
    kernel.guardFails = true;
    const waiting = loop.waitUntil({ revision: attachA(), tenant: 'acme', endpoint: 'a' }, { deadline: 100 });
    await expect(waiting).rejects.toMatchObject({ code: 'not-ready' });
    expect(kernel.worlds.size).toBe(0);
    kernel.guardFails = false;
    await reached(current.state.revision, 'a');
  });

  const portUp = () => (kernel.worlds.get('acme')?.get(PORT) as { up?: boolean } | undefined)?.up;
  const held = async (hold: Hold) => {
    current = { ...current, hold };
    loop.wake({ kind: 'all', reason: hold });
    await until(() => (loop.endpointStatus('a').state === 'fenced') === (hold === 'down'), { what: hold });
  };

  it('takes the ports of a node that was fenced down and builds nothing, until it is its owner again', async () => {
    await reached(attachA(), 'a');
    states.endpoint('acme-web', 'c', { node: 'one', addresses: ['10.10.0.11/16'], attachment: sandbox('/c') });
    await held('down');
    await until(() => portUp() === false, { what: 'the port to be down', deadline: DEADLINE });
    current = { ...current, state: states.build() };
    const later = loop.waitUntil(
      { revision: current.state.revision, tenant: 'acme', endpoint: 'c' },
      { deadline: DEADLINE },
    );
    loop.wake({ kind: 'all', reason: 'test' });
    await expect(later).rejects.toMatchObject({ code: 'node-fenced' });
    expect(kernel.worlds.get('acme')?.has(`link ${linkNames.port('c')}`)).toBe(false);
    await held('none');
    await until(() => portUp() === true, { what: 'the port to be up again', deadline: DEADLINE });
    expect(loop.repairs().total).toBe(0);
  });

  it('lets go of what was detached on a node that was fenced, whose other ports stay as they are', async () => {
    await reached(attachA(), 'a');
    await held('still');
    kernel.damage('acme', VXLAN);
    states.endpoints.delete('a');
    current = { ...current, state: states.build() };
    loop.wake({ kind: 'all', reason: 'test' });
    await reached(current.state.revision);
    expect([portUp(), kernel.worlds.get('acme')?.has(VXLAN)]).toEqual([undefined, false]);
  });

  it('takes everything down with the last that used it, the guard last', async () => {
    await reached(attachA(), 'a');
    states.endpoints.delete('a');
    await reached(publish());
    await until(() => kernel.worlds.size === 0, { what: 'the namespace is gone', deadline: DEADLINE });
    await until(() => !kernel.guarded, { what: 'the guard is gone', deadline: DEADLINE });
    expect(loop.endpointStatus('a')).toEqual({ state: 'pending' });
  });

  it('removes the namespaces of tenants that are gone', async () => {
    await reached(attachA(), 'a');
    kernel.worlds.set('stranger', new Map());
    states.tenants.clear();
    states.networks.clear();
    states.endpoints.clear();
    current = { state: states.build(), complete: true };
    loop.wake({ kind: 'all', reason: 'test' });
    await until(() => kernel.worlds.size === 0, { what: 'both are gone', deadline: DEADLINE });
  });

  it('forgets the failures of a tenant that is gone', async () => {
    kernel.failing.add(PORT);
    await expect(reached(attachA(), 'a')).rejects.toThrow(`${PORT} fails`);
    states.tenants.clear();
    states.networks.clear();
    states.endpoints.clear();
    current = { state: states.build(), complete: true };
    loop.wake({ kind: 'all', reason: 'test' });
    await until(() => loop.conditions().length === 0, { what: 'nothing is amiss', deadline: DEADLINE });
    expect(loop.applied()).toEqual({ revision: current.state.revision, sequence: 0 });
  });

  it('names what kept a caller waiting', async () => {
    kernel.guardFails = true;
    const waiting = loop.waitUntil({ revision: attachA(), tenant: 'acme', endpoint: 'a' }, { deadline: 50 });
    await expect(waiting).rejects.toMatchObject({ code: 'not-ready', cause: 'no nftables' });
  });
});
