/**
 * Who reaches whom, and by which source address, on two hosts:
 *
 *   acme: web and db joined by a router, log beside them, in (internal)     host1: a1 d1 i1   b1 n1
 *   beta: web with acme's very addresses                                    host2: a2 d2 l2 i2   n2
 *   gamma: lan with the underlay's own
 */
export const PORT = 8080;
export const NETWORKS = [
  { name: 'acme/web', subnets: ['10.10.0.0/16', 'fd00:10::/64'] },
  { name: 'acme/db', subnets: ['10.20.0.0/16', 'fd00:20::/64'] },
  { name: 'acme/log', subnets: ['10.30.0.0/16', 'fd00:30::/64'] },
  { name: 'acme/in', subnets: ['10.40.0.0/16', 'fd00:40::/64'], internal: true },
  { name: 'beta/web', subnets: ['10.10.0.0/16', 'fd00:10::/64'] },
  { name: 'gamma/lan', subnets: ['192.0.2.0/24', '2001:db8::/64'] },
];
export const [A1_PORT, N1_PORT, L2_PORT] = [18_080, 18_081, 18_082];
export const ENDPOINTS: Record<string, [network: string, host: 1 | 2, publishes?: number]> = {
  a1: ['acme/web', 1, A1_PORT],
  a2: ['acme/web', 2],
  d1: ['acme/db', 1],
  d2: ['acme/db', 2],
  l2: ['acme/log', 2, L2_PORT],
  i1: ['acme/in', 1],
  i2: ['acme/in', 2],
  b1: ['beta/web', 1],
  n1: ['gamma/lan', 1, N1_PORT],
  n2: ['gamma/lan', 2],
};

/** By whom it is asked a client is seen with its own address, its host's, that of the uplink, or not at all. */
export type Seen = 'own' | 'host' | 'uplink' | 'none';

/** Each by TCP, UDP and ICMP of both families. */
export const INSIDE: [from: string, to: string, seen: Seen][] = [
  ['a1', 'a2', 'own'],
  ['a2', 'a1', 'own'],
  ['i1', 'i2', 'own'],
  ['i2', 'i1', 'own'],
  ['n1', 'n2', 'own'],
  ['n2', 'n1', 'own'],
  // a router, on one host and across two, where the other network is present or not
  ['a1', 'd1', 'own'],
  ['a1', 'd2', 'own'],
  ['a2', 'd1', 'own'],
  ['d1', 'a2', 'own'],
  ['d2', 'a1', 'own'],
  ['d2', 'a2', 'own'],
  // no router
  ['a1', 'l2', 'none'],
  ['a2', 'l2', 'none'],
  ['l2', 'd2', 'none'],
  ['l2', 'a1', 'none'],
  ['a1', 'i1', 'none'],
  ['i1', 'a1', 'none'],
  ['i2', 'a2', 'none'],
  ['l2', 'i2', 'none'],
  // another tenant
  ['b1', 'a2', 'none'],
  ['b1', 'd1', 'none'],
  ['b1', 'd2', 'none'],
  ['b1', 'l2', 'none'],
  // the way out
  ['a1', 'outside', 'host'],
  ['a2', 'outside', 'host'],
  ['d1', 'outside', 'host'],
  ['d2', 'outside', 'host'],
  ['l2', 'outside', 'host'],
  ['b1', 'outside', 'host'],
  ['i1', 'outside', 'none'],
  ['i2', 'outside', 'none'],
  // its own network has the outside's addresses
  ['n1', 'outside', 'none'],
  ['n2', 'outside', 'none'],
  // hosts of the cluster
  ['a1', 'host1', 'none'],
  ['a1', 'host2', 'none'],
  ['l2', 'host1', 'none'],
  ['b1', 'host2', 'none'],
  ['i1', 'host1', 'none'],
  ['i2', 'host2', 'none'],
];

/** Each by TCP and UDP of both families, as far as there is an address. */
export const PUBLISHED: [from: string, to: string, port: number, seen: Seen][] = [
  ['outside', 'host1', A1_PORT, 'own'],
  ['outside', 'host2', L2_PORT, 'own'],
  ['host2', 'host1', A1_PORT, 'own'],
  ['host1', 'host1', A1_PORT, 'own'],
  ['host1', 'host2', L2_PORT, 'own'],
  ['host2', 'host2', L2_PORT, 'own'],
  ['host1', '127.0.0.1', A1_PORT, 'uplink'],
  ['host2', '127.0.0.1', L2_PORT, 'uplink'],
  ['host1', '::1', A1_PORT, 'none'],
  ['host2', '127.0.0.1', A1_PORT, 'none'],
  // containers: of the same tenant, routed, another network, another tenant, itself
  ['a2', 'host1', A1_PORT, 'host'],
  ['d2', 'host1', A1_PORT, 'host'],
  ['l2', 'host1', A1_PORT, 'host'],
  ['l2', 'host2', L2_PORT, 'uplink'],
  ['d2', 'host2', L2_PORT, 'uplink'],
  ['a1', 'host2', L2_PORT, 'host'],
  ['b1', 'host2', L2_PORT, 'host'],
  ['a1', 'host1', A1_PORT, 'uplink'],
  ['d1', 'host1', A1_PORT, 'uplink'],
  ['b1', 'host1', A1_PORT, 'uplink'],
  // no way out; its own network has the host's addresses
  ['i1', 'host1', A1_PORT, 'none'],
  ['i2', 'host2', L2_PORT, 'none'],
  ['n2', 'host1', A1_PORT, 'none'],
  // the client's address is one of the container's own network
  ['outside', 'host1', N1_PORT, 'uplink'],
  ['host2', 'host1', N1_PORT, 'uplink'],
  ['a1', 'host1', N1_PORT, 'uplink'],
  ['a2', 'host1', N1_PORT, 'uplink'],
  // not what is not published
  ['outside', 'host2', A1_PORT, 'none'],
];
