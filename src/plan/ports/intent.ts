/** How a port of this host leads to a container, said in weft's own terms: by an address and port of the uplink between. */
import type { PortProtocol } from '../../model/objects.ts';

export interface PortEnd {
  address: string;
  port: number;
}

export interface PortForward {
  /** ids */
  endpoint: string;
  tenant: string;
  family: 4 | 6;
  protocol: PortProtocol;
  /** of the host; "0.0.0.0" and "::" are all of its family */
  host: PortEnd;
  /** the tenant's end of its uplink */
  transit: PortEnd;
  container: PortEnd;
}

/** What a port of this host leads to in the host's namespace, and what the uplinks have to know of it. */
export interface HostPorts {
  /** sorted */
  forwards: PortForward[];
  /** by name of the uplink: clients that only the tenant's own side would answer are given the uplink's address */
  hidden: { link: string; ranges: string[] }[];
}

/** A port of some node that anybody may reach: also containers, for whom hosts are guarded. */
export interface Service {
  address: string;
  protocol: PortProtocol;
  port: number;
}
