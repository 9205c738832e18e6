/**
 * The packet filters a host should have, said in weft's own terms. kernel/ruleset.ts turns them into nftables: planning
 * decides who may send to whom, not in which registers that is compared.
 */

import type { PortGuardIntent } from './port-guard/intent.ts';
import type { HostEgress, TenantRouting } from './routing/intents.ts';

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
  /** absent: no tenant has a way out of this host */
  egress?: HostEgress;
}

/** Guard of a tenant's namespace: forwards what is routed, and in no case VXLAN of a container's own making. */
export interface TenantGuardIntent {
  kind: 'tenant-guard';
  overlayPort: number;
  /** absent: nothing is forwarded */
  routing?: TenantRouting;
  /** what may be forwarded into the tenant's networks: addresses that somebody has; absent: not looked at */
  known?: string[];
}

export type RulesetIntent = HostGuardIntent | TenantGuardIntent | PortGuardIntent;
