/** A control that answers from fixtures and remembers what it was asked. */
import { vi } from 'vitest';
import type {
  Control,
  EndpointView,
  EngineView,
  Membership,
  NetworkView,
  NodeView,
  StatusView,
  TenantView,
  TokenView,
  WatchEvent,
} from '../../src/control/port.ts';
import type { Examination, NodeExamination } from '../../src/control/examination/port.ts';
import type { PortView } from '../../src/control/ports/port.ts';
import type { EgressView, RouterView } from '../../src/control/routing-port.ts';
import type { SharedAddressView } from '../../src/control/sharing/port.ts';

const AT = '2026-01-02T03:04:05.678Z';

export const egress: EgressView = {
  ...{ tenant: 'acme', off: false, ipv6: 'nat', allow: ['192.0.2.5/32:5432/tcp'] },
  ...{ nodes: ['host1', 'host2'], addresses: ['192.0.2.50'], leader: 'host1', since: AT },
};

export const port: PortView = {
  node: 'host1',
  tenant: 'acme',
  network: 'web',
  endpoint: 'db',
  container: 'shop-db-1',
  protocol: 'tcp',
  address: '',
  hostPort: 8080,
  targets: ['10.10.0.9:80', '[fd00:10::9]:80'],
};

export const router: RouterView = {
  id: '01R',
  name: 'core',
  tenant: 'acme',
  networks: ['db', 'web'],
  createdAt: AT,
};

export const shared: SharedAddressView = {
  address: '10.10.0.100',
  tenant: 'acme',
  network: 'web',
  holder: 'db',
  node: 'host1',
  endpoints: ['db', 'db2'],
  state: 'held',
  by: 'command',
  since: AT,
  createdAt: AT,
  note: '',
};

export const tenant: TenantView = { id: '01T', name: 'acme', networks: 2, origin: 'user', createdAt: AT, revision: 4 };

export const network: NetworkView = {
  id: '01N',
  name: 'web',
  tenant: 'acme',
  vni: 0xfffffe,
  subnets: [
    {
      cidr: 'fd00:1::/64',
      gateway: 'fd00:1::1',
      reserved: ['fd00:1::9'],
      capacity: '4294967293',
      used: '3',
      bound: '2',
      held: '0',
      resting: '1',
      free: '4294967290',
      percentUsed: 0,
    },
  ],
  internal: true,
  mtu: 1450,
  endpoints: 3,
  origin: 'engine',
  state: 'ready',
  bindings: [{ node: 'host1', engine: 'docker', engineId: 'abc' }],
  labels: { team: 'a' },
  createdAt: AT,
  revision: 5,
};

export const endpoint: EndpointView = {
  id: '01E',
  name: 'db',
  tenant: 'acme',
  network: 'web',
  node: 'host1',
  addresses: ['10.1.2.3/16', 'fd00:1::3/64'],
  mac: '02:00:0a:01:02:03',
  mtu: 1450,
  engine: {
    type: 'docker',
    networkId: 'n',
    endpointId: 'e',
    container: { id: 'c', name: 'My_Db.1', image: 'box', project: '' },
  },
  sandbox: '/run/docker/netns/x',
  labels: { app: 'db' },
  state: 'ready',
  published: true,
  createdAt: AT,
  revision: 6,
  drops: { 'source-mac': 7 },
  shared: [{ address: '10.10.0.100', holds: true }],
};

export const node: NodeView = {
  id: '01H',
  name: 'host1',
  vtep: '192.0.2.1',
  underlayMtu: 1500,
  live: true,
  endpoints: 3,
  version: '0.1.0',
  createdAt: AT,
  api: '192.0.2.1:7781',
  signs: true,
  level: 1,
};

export const engine: EngineView = {
  node: 'host1',
  engine: 'docker',
  state: 'connected',
  id: 'ABCD',
  version: '20.10.24',
  liveRestore: true,
  since: AT,
  networks: [
    { network: 'acme/web', name: 'acme.web', state: 'present', reason: '', next: '' },
    {
      network: 'acme/db',
      name: 'acme.db',
      state: 'clash',
      reason: 'a bridge network has that name',
      next: 'remove it',
    },
  ],
};

export const token: TokenView = {
  id: 'abcdefghij',
  role: 'node',
  uses: 1,
  expiresAt: AT,
  createdAt: AT,
  createdBy: 'host1',
};

export const membership: Membership = {
  nodeId: '01J',
  ca: 'CA',
  nodeCertificate: 'NODE',
  clientCertificate: 'CLIENT',
  storeEndpoints: ['https://192.0.2.1:2379'],
};

export const status: StatusView = {
  node: 'host1',
  version: '0.1.0',
  store: { state: 'ok', revision: 2 ** 40 },
  applied: { revision: 7, sequence: 0 },
  repairs: { total: 3, byKind: { fdb: 2, vxlan: 1 } },
  conditions: [{ type: 'not-applied', object: 'link we1', message: 'no', since: AT }],
  level: 1,
};

const leaked = {
  code: 'address-leaked',
  node: 'host1',
  object: 'acme/web 10.1.2.3',
  evidence: 'nobody has it',
  command: 'weft node ls',
};

export const examination: Examination = {
  nodes: [
    { node: 'host1', answered: true, applied: { revision: 7, sequence: 4 }, reason: '' },
    { node: 'host2', answered: false, applied: { revision: 0, sequence: 0 }, reason: 'no answer' },
  ],
  findings: [leaked],
};

export const nodeExamination: NodeExamination = {
  node: '01H',
  name: 'host1',
  applied: { revision: 7, sequence: 4 },
  findings: [leaked],
  holdings: [{ network: '01N', address: '10.1.2.3', endpoint: '01E' }],
  space: [{ network: '01N', part: '10.1.2.0/24' }],
  began: 1_767_225_600_000,
  ended: 1_767_225_601_000,
};

/** One network that changes, and the end. */
async function* events(): AsyncIterable<WatchEvent> {
  const stamp = { revision: 7, at: AT };
  yield { ...stamp, type: 'added', kind: 'network', network };
  yield { ...stamp, type: 'synced', kind: '' };
  yield await Promise.resolve({ ...stamp, type: 'changed', kind: 'endpoint', endpoint } as const);
}

export function fakeControl() {
  const control = {
    status: vi.fn<Control['status']>().mockResolvedValue(status),
    getEgress: vi.fn<Control['getEgress']>().mockResolvedValue(egress),
    setEgress: vi.fn<Control['setEgress']>().mockResolvedValue(egress),
    listPorts: vi.fn<Control['listPorts']>().mockResolvedValue([port]),
    explainPort: vi.fn<Control['explainPort']>().mockResolvedValue({
      ports: [{ port, ways: [{ from: 'other hosts', reaches: true, seenAs: 'their own address', why: 'a reason' }] }],
    }),
    createRouter: vi.fn<Control['createRouter']>().mockResolvedValue(router),
    listRouters: vi.fn<Control['listRouters']>().mockResolvedValue([router]),
    getRouter: vi.fn<Control['getRouter']>().mockResolvedValue(router),
    deleteRouter: vi.fn<Control['deleteRouter']>().mockResolvedValue(undefined),
    shareAddress: vi.fn<Control['shareAddress']>().mockResolvedValue(shared),
    unshareAddress: vi.fn<Control['unshareAddress']>().mockResolvedValue(undefined),
    moveAddress: vi.fn<Control['moveAddress']>().mockResolvedValue(shared),
    listSharedAddresses: vi.fn<Control['listSharedAddresses']>().mockResolvedValue([shared]),
    createTenant: vi.fn<Control['createTenant']>().mockResolvedValue(tenant),
    listTenants: vi.fn<Control['listTenants']>().mockResolvedValue([tenant]),
    getTenant: vi.fn<Control['getTenant']>().mockResolvedValue(tenant),
    deleteTenant: vi.fn<Control['deleteTenant']>().mockResolvedValue(),
    createNetwork: vi.fn<Control['createNetwork']>().mockResolvedValue(network),
    listNetworks: vi.fn<Control['listNetworks']>().mockResolvedValue([network]),
    getNetwork: vi.fn<Control['getNetwork']>().mockResolvedValue(network),
    deleteNetwork: vi.fn<Control['deleteNetwork']>().mockResolvedValue(),
    attach: vi.fn<Control['attach']>().mockResolvedValue(endpoint),
    detach: vi.fn<Control['detach']>().mockResolvedValue(),
    listEndpoints: vi.fn<Control['listEndpoints']>().mockResolvedValue([endpoint]),
    getEndpoint: vi.fn<Control['getEndpoint']>().mockResolvedValue(endpoint),
    listNodes: vi.fn<Control['listNodes']>().mockResolvedValue([node]),
    updateNetwork: vi.fn<Control['updateNetwork']>().mockResolvedValue(network),
    extendNetwork: vi.fn<Control['extendNetwork']>().mockResolvedValue(network),
    updateEndpoint: vi.fn<Control['updateEndpoint']>().mockResolvedValue(endpoint),
    watch: vi.fn<Control['watch']>().mockImplementation(events),
    forgetNode: vi.fn<Control['forgetNode']>().mockResolvedValue(node),
    rotateCertificates: vi.fn<Control['rotateCertificates']>().mockResolvedValue({ notAfter: AT }),
    createToken: vi.fn<Control['createToken']>().mockResolvedValue({ token: 'weft1.x', details: token }),
    listTokens: vi.fn<Control['listTokens']>().mockResolvedValue([token]),
    deleteToken: vi.fn<Control['deleteToken']>().mockResolvedValue(),
    join: vi.fn<Control['join']>().mockResolvedValue(membership),
    renew: vi.fn<Control['renew']>().mockResolvedValue(membership),
    resumeStore: vi.fn<Control['resumeStore']>().mockResolvedValue({ missing: [] }),
    splitSpace: vi.fn<Control['splitSpace']>().mockResolvedValue({ answer: 'none' }),
    hint: vi.fn<Control['hint']>().mockResolvedValue(),
    pointToStore: vi.fn<Control['pointToStore']>().mockResolvedValue(),
    examine: vi.fn<Control['examine']>().mockResolvedValue(examination),
    examineNode: vi.fn<Control['examineNode']>().mockResolvedValue(nodeExamination),
    seenProbes: vi.fn<Control['seenProbes']>().mockResolvedValue({ guarded: true, macs: ['02:00:00:00:00:01'] }),
    listEngines: vi.fn<Control['listEngines']>().mockResolvedValue([engine]),
    syncEngine: vi.fn<Control['syncEngine']>().mockResolvedValue(engine),
    adoptNetwork: vi.fn<Control['adoptNetwork']>().mockResolvedValue(network),
    engines: {} as Control['engines'],
    following: {} as Control['following'],
  };
  return control satisfies Control;
}
