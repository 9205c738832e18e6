/**
 * What the endpoints of a tenant may put on their bridges, said in weft's own terms: whoever a frame claims to be from must
 * be the endpoint whose port it came in by.
 */
export interface PortGuardIntent {
  kind: 'port-guard';
  /** sorted by port */
  ports: GuardedPort[];
  /** addresses that somebody answers for in the tenant's networks here: nothing else is worth asking for; sorted */
  known: string[];
}

/** What an endpoint may call its own. */
export interface GuardedPort {
  port: string;
  mac: string;
  /** without prefix length, sorted; the link-local one (EUI-64 of the MAC) is always among them */
  addresses: string[];
  /** of those, shared ones that another holds or nobody: it may announce them, and speak for them no sooner; sorted; absent: none */
  claims?: string[];
}

/** Why a frame of an endpoint was dropped on its bridge; in the order in which they are shown. */
export const FRAME_DROPS = [
  /** the Ethernet source is not the endpoint's */
  'source-mac',
  /** the IPv4 or IPv6 source is not the endpoint's */
  'source-address',
  /** an ARP packet in another's name, or one that is not about IPv4 over Ethernet */
  'arp',
  /** neighbour discovery in another's name, with options that are not the endpoint's, or in fragments */
  'neighbour-discovery',
  /** what routers say: advertisements, redirects, queries of group membership */
  'router',
  /** what a DHCP server says, of either family */
  'dhcp-server',
  /** neither IPv4, ARP nor IPv6: VLAN tags, reverse ARP, spanning tree */
  'ethertype',
  /** IPv4 options, source routes among them */
  'ip-options',
  /** IPv6 extension headers that lead elsewhere or hide what follows, routing headers among them */
  'extension-header',
  /** other kinds of ICMPv6 */
  'icmpv6',
  /** asks for an address that nobody has */
  'unknown-target',
  /** broadcast, multicast or probes above the endpoint's rate */
  'rate',
] as const;

/** And why a packet of one was, that would have left its tenant. */
export const DROP_REASONS = [
  ...FRAME_DROPS,
  /** began a connection to the outside when its address had, or had begun, too many */
  'connections',
] as const;

export type FrameDrop = (typeof FRAME_DROPS)[number];
export type DropReason = (typeof DROP_REASONS)[number];
