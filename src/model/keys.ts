/** Names of the records in etcd, relative to the store's prefix (design.md section 4). */
export const keys = {
  settings: 'cluster/settings',
  tenant: (id: string) => `tenants/${id}`,
  network: (id: string) => `networks/${id}`,
  tenantName: (name: string) => `names/tenant/-/${name}`,
  networkName: (tenant: string, name: string) => `names/network/${tenant}/${name}`,
  endpointName: (network: string, name: string) => `names/endpoint/${network}/${name}`,
  vni: (vni: number) => `vnis/${vni}`,
  mac: (network: string, mac: string) => `macs/${network}/${mac}`,
  subnets: (tenant: string) => `subnets/${tenant}`,
  node: (id: string) => `nodes/${id}`,
  nodeName: (name: string) => `names/node/-/${name}`,
  live: (node: string) => `live/${node}`,
  address: (network: string, address: string) => `addresses/${network}/${address}`,
  endpoint: (network: string, id: string) => `endpoints/${network}/${id}`,
  binding: (network: string, node: string, engine: string, engineId: string) =>
    `bindings/${network}/${node}/${engine}/${engineId}`,
  description: (endpoint: string) => `labels/${endpoint}`,
  engine: (node: string, engine: string) => `engines/${node}/${engine}`,
  /** a pool an engine asked for, with the node and engine it belongs to */
  pool: (node: string, id: string) => `pools/${node}/${id}`,
} as const;

export const prefixes = {
  tenants: 'tenants/',
  networks: 'networks/',
  nodes: 'nodes/',
  live: 'live/',
  endpoints: 'endpoints/',
  addresses: 'addresses/',
  bindings: 'bindings/',
  descriptions: 'labels/',
  engines: 'engines/',
  pools: (node: string) => `pools/${node}/`,
  addressesOf: (network: string) => `addresses/${network}/`,
  endpointsOf: (network: string) => `endpoints/${network}/`,
  bindingsOf: (network: string) => `bindings/${network}/`,
  macsOf: (network: string) => `macs/${network}/`,
  endpointNamesOf: (network: string) => `names/endpoint/${network}/`,
  networkNamesOf: (tenant: string) => `names/network/${tenant}/`,
} as const;
