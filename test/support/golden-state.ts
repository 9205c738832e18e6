/** A small cluster in which there is one of every kind of record: what golden states are made of, and compared with. */
import { Housekeeping } from '../../src/control/housekeeping.ts';
import { recordCertificates } from '../../src/control/membership.ts';
import { keys } from '../../src/model/keys.ts';
import type { EgressHolder } from '../../src/model/objects.ts';
import { openJournal } from '../../src/store/journal/journal.ts';
import type { Journal, JournalHeader } from '../../src/store/journal/port.ts';
import { silentLog } from '../../src/store/log.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import { makeRequest } from '../../src/trust/certificate.ts';
import { createAuthority, certifyNode } from '../../src/trust/authority.ts';
import { noTrust, settings, TestCluster } from './control.ts';
import { JournalDisk } from './journal-disk.ts';

export const JOURNAL = '/journal';
/** so small that the log is compacted within a few entries */
const LIMITS = { reserveBytes: 0, logBytes: 2_048 };

type TestNode = Awaited<ReturnType<TestCluster['node']>>;

export function openGolden(disk: JournalDisk, header: JournalHeader): Promise<Journal> {
  return openJournal({ directory: JOURNAL, files: disk.files(), header, log: silentLog, limits: LIMITS });
}

export interface GoldenState {
  entries: { key: string; value: unknown }[];
  /** of host1 */
  journal: [string, unknown][];
  disk: JournalDisk;
  header: JournalHeader;
}

/** `folder`: an empty directory, for a CA. */
export async function makeGoldenState(folder: string): Promise<GoldenState> {
  const cluster = new TestCluster();
  const disk = new JournalDisk();
  const header = { node: '01K0000000000000000000H0ST', machineId: 'm', bootId: 'boot-host1', epoch: 1 };
  const journal = await openGolden(disk, header);
  const identity = { id: header.node, bootId: header.bootId, journal };
  const store = new MemoryStore(cluster.shared);
  await store.transact({ compare: [], then: [{ put: keys.settings, value: settings }] });
  const one = await cluster.node('host1', { identity });
  const two = await cluster.node('host2');
  await joinOthers(cluster, one, folder);
  await populate(one, two);
  await store.transact({ compare: [], then: [leadOf(one)] });
  await store.transact({
    compare: [],
    then: [{ put: keys.restoration, value: { id: 'r1', startedAt: at(1), resumedAt: at(2) } }],
  });
  await new Housekeeping(one.deps).round(new AbortController().signal);
  await cluster.published();
  const { entries } = await store.list('');
  await cluster.close();
  // one entry that does not reach the store
  journal.append([{ put: 'restoration', value: 'r1' }]);
  const records = [...journal.entries()].sort(byKey);
  await journal.close();
  return {
    journal: records,
    disk,
    header,
    entries: entries.map(({ key, value }) => ({ key, value })).sort((a, b) => order(a.key, b.key)),
  };
}

/** Nodes with all that a record of theirs may say; a token that is half used, a certificate, a node that was forgotten. */
async function joinOthers(cluster: TestCluster, { control, deps }: TestNode, folder: string): Promise<void> {
  const authority = await createAuthority(folder);
  const certify = (...args: Parameters<typeof certifyNode> extends [unknown, ...infer R] ? R : never) =>
    certifyNode(authority, ...args);
  Object.assign(deps, { trust: { ...noTrust, ca: authority.certificate, isSecretOf: () => true, certify } });
  await control.createToken({ ttlSeconds: 3_600, uses: 2 });
  const { csr } = await makeRequest('x');
  await control.join({ tokenId: 'aaaaaaaaaa', secret: 's', name: 'late', nodeCsr: csr, clientCsr: csr });
  await recordCertificates(deps, deps.node.id, [authority.certificate]);
  const key = keys.node(deps.node.id);
  const record = {
    ...deps.view.value<object>(key),
    ...{ api: '192.0.2.1:7781', signs: true, interface: 'eth0', addresses: ['192.0.2.1'], subnets: ['192.0.2.0/24'] },
    storeEndpoints: ['https://192.0.2.1:2379'],
  };
  await deps.store.transact({ compare: [], then: [{ put: key, value: record }] });
  const gone = await cluster.node('gone');
  await deps.view.sync({ deadline: 1_000 });
  await control.forgetNode({ ref: gone.deps.node.id, force: true });
}

async function populate({ control }: TestNode, two: TestNode): Promise<void> {
  await control.createTenant({ name: 'acme' });
  const subnets = [{ cidr: '10.10.0.0/16', reserved: ['10.10.9.0/24'] }, { cidr: 'fd00:10::/64' }];
  await control.createNetwork({ tenant: 'acme', name: 'web', subnets, labels: { team: 'shop' } });
  await control.createNetwork({ tenant: 'acme', name: 'db', subnets: [{ cidr: '10.11.0.0/16' }] });
  await control.createRouter({ tenant: 'acme', name: 'r', networks: ['web', 'db'] });
  const allow = ['192.0.2.5/32:5432/tcp'];
  await control.setEgress({
    ...{ tenant: 'acme', off: false, ipv6: 'routed', allow },
    ...{ nodes: ['host1'], addresses: ['192.0.2.50'] },
  });
  await control.attach({ network: 'acme/web', netns: '/run/netns/a', name: 'a', labels: { app: 'a' } });
  await control.shareAddress({ network: 'acme/web', address: '10.10.9.9', endpoints: ['a'] });
  const gone = await control.attach({ network: 'acme/web', netns: '/run/netns/b' });
  await control.detach(gone.id);
  await two.control.attach({ network: 'acme/db', netns: '/run/netns/c', name: 'c' });
  await engine(control);
}

/** As the daemon of the node that leads claims it, on a lease. */
function leadOf({ deps }: TestNode): { put: string; value: EgressHolder } {
  const { state } = deps.view.current();
  const tenant = [...state.egress.keys()][0] ?? '';
  return { put: keys.egressHolder(tenant), value: { tenant, node: deps.node.id, session: '1', since: at(1) } };
}

async function engine({ engines, following }: TestNode['control']): Promise<void> {
  const target = { tenant: 'acme', network: 'app' };
  const asked = {
    engine: 'docker' as const,
    addressSpace: 'weft-local',
    cidr: '10.12.0.0/16',
    range: '',
    v6: false,
    ...target,
  };
  const { id, cidr } = await engines.requestPool(asked);
  const gateway = await engines.requestAddress({ poolId: id, address: '', gateway: true });
  const subnet = { addressSpace: 'weft-local', cidr, gateway: gateway.address.split('/')[0]!, reserved: [] };
  const bound = { engine: 'docker' as const, engineId: 'aaaa', ...target, subnets: [subnet], internal: false };
  const network = await engines.bindNetwork({
    ...bound,
    routes: [{ destination: '10.99.0.0/16', via: '10.12.0.254' }],
  });
  await engines.requestAddress({ poolId: id, address: '10.12.0.77', gateway: false, name: 'held' });
  const { address } = await engines.requestAddress({ poolId: id, address: '', gateway: false });
  const endpoint = { engine: 'docker' as const, engineId: 'aaaa', endpointId: 'e1' };
  await engines.createEndpoint({
    ...endpoint,
    ...{ addresses: [address], mac: '02:42:0a:0c:00:09', labels: { app: 'b' }, container: null },
  });
  await engines.joinEndpoint({ ...endpoint, sandbox: '/run/docker/netns/x' });
  const problems = [{ name: 'acme.db', reason: 'a clash', next: 'docker network rm acme.db' }];
  await following.report({
    ...{ engine: 'docker', state: 'connected', id: 'daemon', version: '20.10.24', liveRestore: true, problems },
  });
  await following.claimNetwork({ engine: 'daemon', engineId: 'aaaa', network: network.id });
  const container = { id: 'c1', name: 'b', image: 'box', project: 'p' };
  await following.describe([{ container, labels: { tier: 'x' }, endpoints: [{ engineId: 'aaaa', endpointId: 'e1' }] }]);
}

function at(second: number): string {
  return new Date(Date.UTC(2026, 0, 1, 0, 0, second)).toISOString();
}

function byKey([a]: [string, unknown], [b]: [string, unknown]): number {
  return order(a, b);
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
