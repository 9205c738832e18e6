/** A healthy cluster of any shape as an audit gets to see it, for tests to plant faults in. */
import type { ClusterPicture } from '../../src/audit/cluster.ts';
import type { EnginePicture, NodePicture } from '../../src/audit/pictures.ts';
import type { ClusterState } from '../../src/model/cluster.ts';
import { keys } from '../../src/model/keys.ts';
import type { BlockRecord } from '../../src/model/ipam/blocks.ts';
import type { AddressRecord, Endpoint } from '../../src/model/objects.ts';
import { StateBuilder } from './cluster-state.ts';

export const SINCE = '2026-01-01T00:00:00.000Z';
const ONE_MINUTE = 60_000;

export interface Shape {
  nodes: number;
  networks: number;
  /** of each node in each network */
  endpoints: number;
}

export interface AuditedCluster {
  state: ClusterState;
  pictures: NodePicture[];
  cluster: ClusterPicture;
}

type Whole = ClusterState & {
  endpoints: Map<string, Endpoint>;
  addresses: Map<string, AddressRecord>;
  blocks: Map<string, BlockRecord>;
};

export function auditedCluster(shape: Shape): AuditedCluster {
  const state = stateOf(shape);
  const pictures = [...state.nodes.values()].map(({ id, name }) => pictureOf(state, { id, name }));
  const answers = pictures.map(({ node, journal }) => ({
    node: node.id,
    name: node.name,
    applied: { revision: state.revision, sequence: 1 },
    holdings: journal.addresses.map(({ network, address, endpoint }) => ({
      ...{ network, address, endpoint: endpoint ?? '' },
    })),
    space: [...state.blocks.values()].flatMap(({ network, parts }) =>
      parts.filter(({ owner }) => owner === node.id).map(({ cidr }) => ({ network, part: cidr })),
    ),
  }));
  return { state, pictures, cluster: { state, forgotten: new Set(), answers, silent: [], revision: state.revision } };
}

function stateOf({ nodes, networks, endpoints }: Shape): Whole {
  const builder = new StateBuilder().tenant('acme');
  const blocks = new Map<string, BlockRecord>();
  for (let n = 1; n <= nodes; n++) builder.node(`host${n}`, `192.0.2.${n}`);
  for (let i = 0; i < networks; i++) {
    const name = `acme-net${i}`;
    builder.network('acme', `net${i}`, { vni: 0x100000 + i });
    const parts = [];
    for (let n = 1; n <= nodes; n++) {
      builder.bindings.set(`bindings/${name}/host${n}/docker/${name}`, {
        ...{ network: name, node: `host${n}`, engine: 'docker', engineId: name, createdAt: SINCE },
      });
      parts.push({ cidr: `10.10.${n}.0/24`, owner: `host${n}`, epoch: 1 });
      for (let e = 1; e <= endpoints; e++) {
        const id = `${name}-${n}-${e}`;
        const attachment = { mode: 'engine', sandbox: `/run/docker/netns/${id}` } as const;
        builder.endpoint(name, id, { node: `host${n}`, addresses: [`10.10.${n}.${e}/16`], attachment });
        const endpoint = builder.endpoints.get(id)!;
        endpoint.engine = { type: 'docker', networkId: name, endpointId: id, container: containerOf(id) };
      }
    }
    blocks.set(keys.block(name, '10.10.0.0/16'), { network: name, cidr: '10.10.0.0/16', parts });
  }
  const state = builder.build();
  const addresses = [...state.endpoints.values()].map((endpoint) => addressOf(endpoint));
  const byKey = new Map(addresses.map((record) => [keys.address(record.network, record.address), record]));
  return { ...state, endpoints: new Map(state.endpoints), addresses: byKey, blocks };
}

function containerOf(id: string) {
  return { id, name: `box-${id}`, image: 'box', project: '' };
}

export function addressOf(endpoint: Endpoint): AddressRecord {
  const address = endpoint.addresses[0]!.split('/')[0]!;
  const { network, node, bootId, id } = endpoint;
  return { network, address, state: 'bound', endpoint: id, node, bootId, since: SINCE };
}

function pictureOf(state: Whole, node: { id: string; name: string }): NodePicture {
  const own = [...state.endpoints.values()].filter((endpoint) => endpoint.node === node.id);
  const engine: EnginePicture = {
    engine: 'docker',
    networks: [...state.networks.keys()].map((id) => ({ engineId: id, name: id })),
    // A container on a network that is not weft's is nobody's business.
    endpoints: [
      ...own.map(({ id, network }) => ({ engineId: network, endpointId: id, container: `box-${id}` })),
      { engineId: 'bridge', endpointId: 'other', container: 'other' },
    ],
  };
  return {
    node,
    state,
    journal: {
      endpoints: own,
      addresses: [...state.addresses.values()].filter((record) => record.node === node.id),
      descriptions: [],
      differences: [],
    },
    engine,
    kernel: {
      drift: [],
      sandboxes: own.map(({ id }) => ({ endpoint: id, path: `/run/docker/netns/${id}`, stands: true })),
      ...{ missingNamespaces: [], staleNamespaces: [], ownerlessLinks: [], foreignLinks: [] },
    },
    now: Date.parse(SINCE) + ONE_MINUTE,
  };
}
