/** Cluster states for tests of planning and the kernel: plain data, every record whole. */
import { macFor } from '../../src/model/address/mac.ts';
import { DEFAULT_SETTINGS } from '../../src/model/cluster.ts';
import type { ClusterSettings, ClusterState } from '../../src/model/cluster.ts';
import { keys } from '../../src/model/keys.ts';
import type {
  Attachment,
  Binding,
  Egress,
  EgressHolder,
  Endpoint,
  Network,
  Node,
  Publication,
  Router,
  SharedAddress,
  Tenant,
} from '../../src/model/objects.ts';

const AT = '2026-01-01T00:00:00.000Z';

export function clusterSettings(vtepFamily: 4 | 6 = 4): ClusterSettings {
  return { id: 'cluster', ...DEFAULT_SETTINGS, vtepFamily, createdAt: AT };
}

export class StateBuilder {
  readonly tenants = new Map<string, Tenant>();
  readonly networks = new Map<string, Network>();
  readonly nodes = new Map<string, Node>();
  readonly endpoints = new Map<string, Endpoint>();
  readonly bindings = new Map<string, Binding>();
  readonly egresses = new Map<string, Egress>();
  readonly egressHolders = new Map<string, EgressHolder>();
  readonly routers = new Map<string, Router>();
  readonly shared = new Map<string, SharedAddress>();
  #revision = 0;

  node(id: string, vtep: string): this {
    this.nodes.set(id, { id, name: id, vtep, underlayMtu: 1500, bootId: 'b', version: '0', createdAt: AT });
    return this;
  }

  tenant(id: string): this {
    this.tenants.set(id, { id, name: id, origin: 'user', createdAt: AT });
    return this;
  }

  network(tenant: string, name: string, options: Partial<Network> & { vni: number }): this {
    const id = `${tenant}-${name}`;
    const subnets = [{ cidr: '10.10.0.0/16', gateway: '10.10.0.1', reserved: [] }];
    this.networks.set(id, {
      id,
      tenant,
      name,
      subnets,
      internal: false,
      mtu: 1450,
      origin: 'user',
      createdAt: AT,
      ...options,
    });
    return this;
  }

  endpoint(
    network: string,
    id: string,
    where: { node: string; addresses: string[]; attachment: Attachment; ports?: Publication[] },
  ): this {
    const owner = this.networks.get(network)!;
    this.endpoints.set(id, {
      id,
      name: id,
      tenant: owner.tenant,
      network,
      bootId: 'b',
      mac: macFor(owner.vni, where.addresses[0]!.split('/')[0]!),
      mtu: owner.mtu,
      engine: { type: 'manual', networkId: '', endpointId: '', container: null },
      labels: {},
      createdAt: AT,
      ...where,
    });
    return this;
  }

  binding(network: string, node: string): this {
    this.bindings.set(`${network}/${node}`, { network, node, engine: 'docker', engineId: 'x', createdAt: AT });
    return this;
  }

  egress(tenant: string, options: Partial<Egress>): this {
    this.egresses.set(tenant, { tenant, off: false, ipv6: 'nat', allow: [], ...options });
    return this;
  }

  /** `session` counts for nothing where nobody asks for it */
  leader(tenant: string, node: string): this {
    this.egressHolders.set(tenant, { tenant, node, session: 's', since: AT });
    return this;
  }

  router(tenant: string, name: string, networks: string[]): this {
    const id = `${tenant}-${name}`;
    this.routers.set(id, { id, tenant, name, networks, createdAt: AT });
    return this;
  }

  share(network: string, address: string, endpoints: string[], holder: string | null = endpoints[0] ?? null): this {
    const times = { since: AT, createdAt: AT };
    const by = 'command';
    this.shared.set(keys.shared(network, address), {
      network,
      address,
      endpoints,
      holder,
      by,
      reserved: true,
      ...times,
    });
    return this;
  }

  build(): ClusterState {
    return {
      revision: ++this.#revision,
      sequence: 0,
      tenants: new Map(this.tenants),
      networks: new Map(this.networks),
      nodes: new Map(this.nodes),
      live: new Set(this.nodes.keys()),
      endpoints: new Map(this.endpoints),
      bindings: new Map(this.bindings),
      addresses: new Map(),
      blocks: new Map(),
      unpublished: new Set(),
      descriptions: new Map(),
      engines: new Map(),
      egress: new Map(this.egresses),
      egressHolders: new Map(this.egressHolders),
      routers: new Map(this.routers),
      shared: new Map(this.shared),
      revisions: new Map(),
    };
  }
}
