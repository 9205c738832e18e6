/**
 * The packet filters a host should have, said in weft's own terms. kernel/ruleset.ts turns them into nftables: planning
 * decides who may send to whom, not in which registers that is compared.
 */

/** An endpoint on another node that may send to this one through the overlay. */
export interface GuardMember {
  /** VTEP of the endpoint's node */
  source: string;
  vni: number;
  mac: string;
}

/** VXLAN guard of the host's namespace: what may reach the overlay's socket, and that nothing is forwarded to one. */
export interface HostGuardIntent {
  kind: 'host-guard';
  /** this node's */
  vtep: string;
  overlayPort: number;
  /** sorted, each once */
  members: GuardMember[];
}

/** Guard of a tenant's namespace: forwards nothing, and in no case VXLAN of a container's own making. */
export interface TenantGuardIntent {
  kind: 'tenant-guard';
  overlayPort: number;
}

export type RulesetIntent = HostGuardIntent | TenantGuardIntent;
