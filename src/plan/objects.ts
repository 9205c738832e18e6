/**
 * The kernel objects of one tenant's namespace, as a plan wants them and as an observation finds them. `keyOf` is an
 * object's identity; two objects with one key differ at most in what `differences` compares.
 */

export interface SysctlObject {
  kind: 'sysctl';
  /** below /proc/sys */
  path: string;
  value: string;
}

interface LinkFields {
  name: string;
  /** "weft:<kind>:<id>": ours, and finished */
  alias: string;
  mtu: number;
  up: boolean;
}

export interface BridgeObject extends LinkFields {
  kind: 'bridge';
  mac: string;
  mcastSnooping: boolean;
}

/** What a bridge does with the frames of a port. */
export interface PortFlags {
  learning: boolean;
  neighSuppress: boolean;
  unicastFlood: boolean;
  mcastFlood: boolean;
  bcastFlood: boolean;
}

export interface VxlanObject extends LinkFields {
  kind: 'vxlan';
  bridge: string;
  vni: number;
  /** outer source address */
  local: string;
  udpPort: number;
  flags: PortFlags;
}

/** The container's end of an endpoint's veth pair; not observed, since it stands in a namespace that is not ours. */
export interface PortPeer {
  endpoint: string;
  mac: string;
  mtu: number;
  /** CIDR text */
  addresses: string[];
  /** next hops of default routes */
  gateways: string[];
  /** absent: none */
  routes?: { destination: string; via: string }[];
  /** other subnets on the same link; absent: none */
  links?: string[];
  /** name in the host's namespace, where an engine takes it from; null where weft puts it into the sandbox itself */
  handover: string | null;
  /** namespace file of the container */
  sandbox: string;
  /** wished name inside the sandbox */
  ifname: string;
}

export interface PortObject extends LinkFields {
  kind: 'port';
  bridge: string;
  flags: PortFlags;
  /** null when observed */
  peer: PortPeer | null;
}

/** A tenant's way to its host: a veth pair between the two namespaces, both ends ours. */
export interface UplinkObject extends LinkFields {
  kind: 'uplink';
  end: UplinkEnd;
}

/** A vxlan device without a bridge: the way to the node that leads a tenant's packets out. */
export interface RelayObject extends LinkFields {
  kind: 'relay';
  mac: string;
  vni: number;
  /** outer source address */
  local: string;
  udpPort: number;
}

/** In the host's namespace. */
export interface UplinkEnd {
  name: string;
  alias: string;
  up: boolean;
  mtu: number;
  /** CIDR text, sorted */
  addresses: string[];
  /** what the host sends from 127.0.0.0/8 may leave by it, and answers come back (the sysctl route_localnet) */
  localnet: boolean;
  /** what is reached through the tenant's namespace, sorted */
  routes: HostRoute[];
}

export interface HostRoute {
  destination: string;
  gateway: string;
}

/** A route of weft's own protocol number. */
export interface RouteObject {
  kind: 'route';
  link: string;
  destination: string;
  gateway: string;
  /** absent: the main one */
  table?: number;
  /** the gateway may be nobody's address; absent: it is on the link's network */
  onlink?: true;
}

/** Which routing table marked packets ask; of weft's own protocol number. */
export interface RuleObject {
  kind: 'rule';
  family: 4 | 6;
  priority: number;
  mark: number;
  table: number;
  /** routes of a prefix this long or shorter do not count; absent: all count */
  suppressPrefixLength?: number;
}

export interface AddressObject {
  kind: 'address';
  link: string;
  /** CIDR text */
  cidr: string;
}

export interface FdbObject {
  kind: 'fdb';
  link: string;
  mac: string;
  via: 'master' | 'self';
  /** VTEP; null for `master` entries */
  dst: string | null;
}

export interface NeighbourObject {
  kind: 'neighbour';
  link: string;
  address: string;
  mac: string;
  /** a shared address: the containers on the link are told when it has another MAC; never observed */
  announced?: true;
}

export type KernelObject =
  | SysctlObject
  | BridgeObject
  | VxlanObject
  | PortObject
  | UplinkObject
  | RelayObject
  | AddressObject
  | RouteObject
  | RuleObject
  | FdbObject
  | NeighbourObject;

export type LinkObject = BridgeObject | VxlanObject | PortObject | UplinkObject | RelayObject;

/** What an observation found: our objects, and names of ours that something else has. */
export interface Observed {
  objects: KernelObject[];
  foreign: string[];
}

export const ALIAS_PREFIX = 'weft:';

/** The tenant's end of its uplink. */
export const UPLINK = 'up0';

const LINKS = new Set<KernelObject['kind']>(['bridge', 'vxlan', 'port', 'uplink', 'relay']);

export function isLink(object: KernelObject): object is LinkObject {
  return LINKS.has(object.kind);
}

export function keyOf(object: KernelObject): string {
  switch (object.kind) {
    case 'sysctl':
      return `sysctl ${object.path}`;
    case 'bridge':
    case 'vxlan':
    case 'port':
    case 'uplink':
    case 'relay':
      return `link ${object.name}`;
    case 'route':
      return `route ${object.destination}${object.table === undefined ? '' : ` table ${object.table}`}`;
    case 'rule':
      return `rule IPv${object.family} ${object.priority}`;
    case 'address':
      return `address ${object.link} ${object.cidr}`;
    case 'fdb':
      return `fdb ${object.link} ${object.via} ${object.mac}`;
    case 'neighbour':
      return `neighbour ${object.link} ${object.address}`;
  }
}

/** Name of the link that must stand before the object can; '' for none. */
export function standsOn(object: KernelObject): string {
  if ('bridge' in object) return object.bridge;
  return 'link' in object ? object.link : '';
}

/** Names of the fields in which what was found is not what is wanted. */
export function differences(wanted: KernelObject, found: KernelObject): string[] {
  if (wanted.kind !== found.kind) return ['kind'];
  const [a, b] = [comparable(wanted), comparable(found)];
  return Object.keys(a).filter((field) => JSON.stringify(a[field]) !== JSON.stringify(b[field]));
}

function comparable(object: KernelObject): Record<string, unknown> {
  if (object.kind === 'port') return { ...object, peer: null };
  if (object.kind !== 'neighbour') return { ...object };
  const { kind, link, address, mac } = object;
  return { kind, link, address, mac };
}

/** Fields that the kernel fixes when it makes a link: a difference there means making it anew. */
const FIXED: Record<LinkObject['kind'], readonly string[]> = {
  bridge: ['kind'],
  vxlan: ['kind', 'vni', 'udpPort'],
  // A port without its alias was never finished: its other end may lack everything.
  port: ['kind', 'alias'],
  uplink: ['kind', 'alias'],
  relay: ['kind', 'vni', 'udpPort'],
};

export function mustReplace(wanted: KernelObject, fields: string[]): boolean {
  return isLink(wanted) && fields.some((field) => FIXED[wanted.kind].includes(field));
}
