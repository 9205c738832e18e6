import pino from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NetlinkKernel } from '../../src/kernel/adapter.ts';
import { linkNames } from '../../src/model/names.ts';
import { SYSCTLS } from '../../src/plan/tenant.ts';
import { ReconcileLoop } from '../../src/reconcile/loop.ts';
import { clusterSettings, StateBuilder } from '../support/cluster-state.ts';
import { inside, succeeds, TestUnderlay } from '../support/host-namespaces.ts';
import type { TestHost } from '../support/host-namespaces.ts';
import { VxlanCapture } from '../support/vxlan-capture.ts';

const VNI = 0x100000;
const DEADLINE = 5_000;

let underlay: TestUnderlay;
let states: StateBuilder;
let current: ReturnType<StateBuilder['build']>;
let stop: AbortController;
let running: { loop: ReconcileLoop; kernel: NetlinkKernel; done: Promise<void>; host: TestHost }[];

beforeEach(() => {
  underlay = new TestUnderlay('reconcile');
  states = new StateBuilder().tenant('acme').tenant('beta');
  states.network('acme', 'web', {
    vni: VNI,
    subnets: [
      { cidr: '10.10.0.0/16', gateway: '10.10.0.1', reserved: [] },
      { cidr: 'fd00:1::/64', gateway: 'fd00:1::1', reserved: [] },
    ],
  });
  states.network('beta', 'web', { vni: VNI + 1 });
  stop = new AbortController();
  running = [];
});

afterEach(async () => {
  stop.abort();
  for (const { done, kernel } of running) {
    await done;
    kernel.close();
  }
  for (const { host } of running) {
    const kernel = new NetlinkKernel({
      folder: host.tenants,
      host: host.path,
      sysctls: [],
      onMonitorFailure: () => undefined,
    });
    for (const name of await kernel.namespaces()) await kernel.removeNamespace(name);
    kernel.close();
  }
  underlay.remove();
});

function start(hosts: number): void {
  for (let i = 0; i < hosts; i++) {
    const host = underlay.addHost();
    states.node(host.name, host.vtep);
    current = states.build();
    const sysctls = SYSCTLS.map(([path]) => path);
    const kernel = new NetlinkKernel({
      folder: host.tenants,
      host: host.path,
      sysctls,
      onMonitorFailure: () => undefined,
    });
    const source = { current: () => ({ state: current, complete: true }) };
    const log = pino({ level: 'silent' });
    const loop = new ReconcileLoop({ source, kernel, node: host.name, settings: clusterSettings(), log });
    running.push({ loop, kernel, host, done: loop.run(stop.signal) });
  }
}

async function publish(): Promise<void> {
  current = states.build();
  for (const tenant of ['acme', 'beta']) {
    await Promise.all(
      running.map(({ loop }) => {
        loop.wake({ kind: 'tenant', tenant, reason: 'test' });
        return loop.waitUntil({ revision: current.revision, tenant }, { deadline: DEADLINE });
      }),
    );
  }
}

function addEndpoint(id: string, n: number, where: { host: number; network?: string }): string {
  const path = underlay.namespace(id);
  const network = where.network ?? 'acme-web';
  const addresses = [`10.10.0.${n}/16`, ...(network === 'acme-web' ? [`fd00:1::${n}/64`] : [])];
  states.endpoint(network, id, {
    node: `host${where.host}`,
    addresses,
    attachment: { mode: 'sandbox', path, ifname: 'eth0' },
  });
  return path;
}

async function until(what: string, condition: () => boolean): Promise<void> {
  const end = Date.now() + DEADLINE;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`not within ${DEADLINE} ms: ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const ping = (from: string, to: string) => succeeds(from, 'ping', '-c', '1', '-W', '2', to);

describe('the loop on a real kernel', () => {
  it('joins containers of two hosts by IPv4 and IPv6, with nothing flooded, and keeps tenants apart', async () => {
    start(2);
    const [a, b, c] = [
      addEndpoint('a', 10, { host: 1 }),
      addEndpoint('b', 20, { host: 2 }),
      addEndpoint('c', 30, { host: 1 }),
    ];
    const [x, y] = [
      addEndpoint('x', 10, { host: 1, network: 'beta-web' }),
      addEndpoint('y', 40, { host: 2, network: 'beta-web' }),
    ];
    await publish();
    const capture = await VxlanCapture.start(['nsenter', `--net=${underlay.namespace('switch')}`], 14789);
    for (const to of ['10.10.0.20', 'fd00:1::20', '10.10.0.30', 'fd00:1::30', '10.10.0.1', 'fd00:1::1'])
      expect(ping(a, to), to).toBe(true);
    for (const to of ['10.10.0.10', 'fd00:1::10', '10.10.0.30']) expect(ping(b, to), to).toBe(true);
    expect(ping(c, '10.10.0.20')).toBe(true);
    expect(ping(x, '10.10.0.40')).toBe(true);
    expect(ping(a, '10.10.0.40')).toBe(false);
    expect(ping(y, '10.10.0.20')).toBe(false);
    expect(succeeds(a, 'ping', '-c', '1', '-W', '2', '-M', 'do', '-s', '1422', '10.10.0.20')).toBe(true);
    await until('packets were captured', () => capture.frames.length > 20);
    await capture.stop();
    expect(capture.flooded()).toEqual([]);
    expect(new Set(capture.frames.map(({ vni }) => vni))).toEqual(new Set([VNI, VNI + 1]));
    for (const { loop } of running) expect(loop.repairs()).toEqual({ total: 0, byKind: {} });
  });

  it('repairs what is deleted or changed by hand, and counts it', async () => {
    start(2);
    const a = addEndpoint('a', 10, { host: 1 });
    addEndpoint('b', 20, { host: 2 });
    await publish();
    expect(ping(a, '10.10.0.20')).toBe(true);
    const { loop, host } = running[0]!;
    const tenant = `${host.tenants}/acme`;
    const [bridge, vxlan] = [linkNames.bridge(VNI), linkNames.vxlan(VNI)];
    const damage: [string, string[]][] = [
      ['vxlan', ['ip', 'link', 'del', vxlan]],
      ['fdb', ['bridge', 'fdb', 'flush', 'dev', vxlan]],
      ['neighbour', ['ip', 'neigh', 'flush', 'dev', bridge, 'nud', 'permanent']],
      ['bridge', ['ip', 'link', 'set', bridge, 'down']],
      ['port', ['ip', 'link', 'del', linkNames.port('a')]],
      ['address', ['ip', 'address', 'del', '10.10.0.1/16', 'dev', bridge]],
      ['guard', ['nft', 'flush', 'ruleset']],
    ];
    for (const [kind, [command = '', ...args]] of damage) {
      const before = loop.repairs().byKind[kind] ?? 0;
      inside(tenant, command, ...args);
      await until(`${kind} repaired and counted`, () => (loop.repairs().byKind[kind] ?? 0) > before);
      await until(`a reaches b after ${kind}`, () => ping(a, '10.10.0.20'));
    }
    inside(host.path, 'nft', 'flush', 'ruleset');
    await until('the host guard is back', () => inside(host.path, 'nft', 'list', 'ruleset').includes('14789'));
    const before = loop.repairs().byKind.namespace ?? 0;
    inside(host.path, 'umount', '--lazy', tenant);
    loop.wake({ kind: 'all', reason: 'test' });
    await until('the namespace is bound anew', () => (loop.repairs().byKind.namespace ?? 0) > before);
    await until('a reaches b in the new namespace', () => ping(a, '10.10.0.20'));
  });

  it('leaves nothing behind, and touches nothing unmarked', async () => {
    start(1);
    const a = addEndpoint('a', 10, { host: 1 });
    addEndpoint('x', 10, { host: 1, network: 'beta-web' });
    await publish();
    const { host, loop } = running[0]!;
    inside(`${host.tenants}/acme`, 'ip', 'link', 'add', 'mine', 'type', 'bridge');
    states.endpoints.delete('a');
    states.binding('acme-web', 'host1');
    await publish();
    expect(inside(a, 'ip', '-br', 'link')).not.toContain('eth0');
    expect(inside(`${host.tenants}/acme`, 'ip', '-br', 'link')).toMatch(/mine/);
    states.bindings.clear();
    states.endpoints.clear();
    await publish();
    loop.wake({ kind: 'all', reason: 'test' });
    await until('the namespaces are gone', () => inside(host.path, 'ls', host.tenants).trim() === '');
    expect(inside(host.path, 'ip', '-br', 'link')).not.toMatch(/^w/m);
  });

  it('names the device that has a VNI it needs', async () => {
    start(1);
    const { host } = running[0]!;
    inside(host.path, 'ip', ...`link add other type vxlan id ${VNI} dstport 14789 local ${host.vtep}`.split(' '));
    addEndpoint('a', 10, { host: 1 });
    await publish();
    expect(running[0]!.loop.conditions()[0]).toMatchObject({
      object: `link ${linkNames.vxlan(VNI)}`,
      message: `VNI ${VNI} on UDP port 14789 is held by other in the host's namespace`,
    });
    inside(host.path, 'ip', 'link', 'del', 'other');
    await until('the network is built', () => running[0]!.loop.conditions().length === 0);
  });

  it('tells an attach that its sandbox is gone, and goes on with the others', async () => {
    start(1);
    const a = addEndpoint('a', 10, { host: 1 });
    states.endpoint('acme-web', 'lost', {
      node: 'host1',
      addresses: ['10.10.0.11/16'],
      attachment: { mode: 'sandbox', path: '/run/nowhere', ifname: 'eth0' },
    });
    await publish();
    const { loop } = running[0]!;
    const waiting = loop.waitUntil(
      { revision: current.revision, tenant: 'acme', endpoint: 'lost' },
      { deadline: DEADLINE },
    );
    await expect(waiting).rejects.toMatchObject({ code: 'sandbox-gone' });
    expect(loop.endpointStatus('a')).toMatchObject({ state: 'ready' });
    expect(ping(a, '10.10.0.1')).toBe(true);
    expect(loop.conditions()).toMatchObject([{ object: `link ${linkNames.port('lost')}` }, {}]);
  });

  it('tries an endpoint that keeps failing ever less often, and repairs its tenant meanwhile', async () => {
    start(1);
    addEndpoint('a', 10, { host: 1 });
    // It takes no IPv6 address, so every try makes a pair and takes it down again, with events for both.
    inside(addEndpoint('mute', 11, { host: 1 }), 'sysctl', '-qw', 'net.ipv6.conf.default.disable_ipv6=1');
    await publish();
    const { loop, host } = running[0]!;
    const tries = () => {
      const status = loop.endpointStatus('mute');
      return status.state === 'failed' ? status.attempts : 0;
    };
    const began = performance.now();
    await until('four tries', () => tries() >= 4);
    // 100, 200 and 400 ms, less a quarter.
    expect(performance.now() - began).toBeGreaterThan(500);
    inside(`${host.tenants}/acme`, 'ip', 'link', 'del', linkNames.port('a'));
    await until('the other endpoint is repaired', () => loop.repairs().byKind.port === 1);
    expect(tries()).toBeLessThan(6);
  });
});
