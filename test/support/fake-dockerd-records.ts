/** What dockerd keeps of networks and containers, and how it writes it into its calls. */

export const VERSIONS = [20, 23, 24, 25, 26, 27, 28, 29] as const;
export type Version = (typeof VERSIONS)[number];

/** Who has which address of which network, over all engines of a test. */
export type Claims = Map<string, string>;

export interface SubnetWish {
  /** '' for any */
  cidr: string;
  range?: string;
  gateway?: string;
  aux?: string[];
}

export interface NetworkWish {
  name: string;
  v4: SubnetWish[];
  v6?: SubnetWish[];
  internal?: boolean;
  /** -o */
  options?: Record<string, string>;
  ipamOptions?: Record<string, string>;
  /** how many chosen subnets the host's routes are said to overlap */
  overlaps?: number;
}

export interface Pool {
  id: string;
  cidr: string;
  range: string;
  /** CIDR text */
  gateway: string;
  /** CIDR text by name */
  aux: Record<string, string>;
}

export interface FakeNetwork {
  wish: NetworkWish;
  id: string;
  v4: Pool[];
  v6: Pool[];
}

export interface FakeEndpoint {
  network: FakeNetwork;
  id: string;
  addresses: { pool: Pool; cidr: string }[];
  mac: string;
  gateway4: string;
  gateway6: string;
  /** the driver of 29 has forgotten it over a live restore: it is left without Revoke */
  forgotten: boolean;
}

export interface FakeContainer {
  name: string;
  ports: number[];
  endpoints: FakeEndpoint[];
}

export interface AttachWish {
  ip?: string;
  ip6?: string;
  mac?: string;
}

export const SPACE = 'weft-local';

/**
 * The endpoints that are a container's way out: one up to 27, from 28 on one of each family, which may be the same.
 * Networks with more gateways come first, then those first by name. `without` is about to leave, or not joined yet.
 */
export function gatewaysOf({ endpoints }: FakeContainer, version: Version, without?: FakeEndpoint): FakeEndpoint[] {
  const ways = (one: FakeEndpoint) => (one.gateway4 === '' ? 0 : 1) + (one.gateway6 === '' ? 0 : 1);
  const candidates = endpoints
    .filter((one) => one !== without && ways(one) > 0)
    .sort((a, b) => ways(b) - ways(a) || (a.network.wish.name < b.network.wish.name ? -1 : 1));
  if (version < 28) return candidates.slice(0, 1);
  const v4 = candidates.find((one) => one.gateway4 !== '');
  const v6 = candidates.find((one) => one.gateway6 !== '');
  return [...new Set([v4, v6])].filter((one) => one !== undefined);
}

export function keyOf({ network, id }: FakeEndpoint): { NetworkID: string; EndpointID: string } {
  return { NetworkID: network.id, EndpointID: id };
}

export function ipamData({ cidr, gateway, aux }: Pool): object {
  const AuxAddresses = Object.keys(aux).length > 0 ? { AuxAddresses: aux } : {};
  return { AddressSpace: SPACE, Pool: cidr, Gateway: gateway, ...AuxAddresses };
}

/** Docker writes it twice: as text, and as base64 of its bytes. */
export function macOption(mac: string): object {
  const encoded = Buffer.from(mac.replaceAll(':', ''), 'hex').toString('base64');
  return mac === '' ? {} : { 'com.docker.network.endpoint.macaddress': encoded };
}

/** A field of an answer that is text, '' where it is none. */
export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
