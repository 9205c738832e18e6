/** What a host is like around weft: gathered by kernel/, judged by doctor/. What could not be learnt is undefined. */

export interface FactsWish {
  /** of this node */
  vtep: string;
  /** of the others, by id */
  peers: { node: string; vtep: string }[];
  /** namespace files of this node's containers, by id of the endpoint */
  sandboxes: { endpoint: string; path: string }[];
}

export interface HostFacts {
  /** "6.1.0-13-amd64" */
  release: string;
  /** modules that are neither loaded, nor built in, nor to be found for this kernel */
  lackingModules: string[];
  /** the interface that has the VTEP address; undefined: none has it */
  underlay: { interface: string; mtu: number; up: boolean } | undefined;
  /** by which way the host's own packets go to each other node */
  ways: WayToPeer[];
  /** of the main table, without default routes and those that weft made */
  routes: { destination: string; interface: string }[];
  /** of iptables-legacy, those with rules: "ip filter" */
  legacyTables: string[];
  /** where the FORWARD chain of iptables-legacy drops what comes from weft's uplinks, or what goes there */
  legacyDrops: ('ip' | 'ip6')[];
  /** packets that came since a namespace is there, and those of them with a wrong checksum; undefined: the host itself */
  checksums: { endpoint: string | undefined; came: number; wrong: number }[];
  /** programs that manage links, and whether they were told to leave weft's alone */
  linkManagers: { name: 'systemd-networkd' | 'NetworkManager'; told: boolean }[];
  /** of udev's rules that were added on this host, those about links */
  udevRules: { file: string; rule: string }[];
  /** entries of connection tracking, all namespaces together, and their limit */
  connections: { used: number; most: number } | undefined;
  /** net.ipv4.neigh.default.gc_thresh3 and its twin: shared by all namespaces */
  neighbourLimits: { ipv4: number | undefined; ipv6: number | undefined };
}

export interface WayToPeer {
  /** id */
  node: string;
  vtep: string;
  /** source address that the kernel chooses; undefined: there is no route */
  source: string | undefined;
}
