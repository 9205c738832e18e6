/**
 * What has to change in an engine's networks for it to be in step with the cluster. Pure: the cluster's wish on one side,
 * the engine's list on the other.
 *
 * Ours is what bears our label or what a binding of this node names; a network of a user, of whatever name, is never
 * removed but by a forced deletion of the network it is bound to.
 */
import type { EngineNetwork } from '../../../control/engines/port.ts';
import type { EngineProblem } from '../../../model/objects.ts';
import { SYNCED_OPTION } from '../options.ts';
import type { DockerNetwork, NetworkCreation } from './api.ts';

/** Of networks that weft made in an engine: the ids of our network and of our cluster. */
export const NETWORK_LABEL = 'weft.network';
export const CLUSTER_LABEL = 'weft.cluster';

/** The first Docker with networks of IPv6 alone (API 1.48): those before ask for an IPv4 subnet as well. */
const IPV6_ONLY = 28;

/** Whom we speak for: the driver's name in the engine, and the cluster's id. */
export interface Self {
  driver: string;
  cluster: string;
}

export interface Step {
  create: EngineNetwork[];
  /** with the containers to disconnect first */
  remove: { id: string; name: string; disconnect: boolean }[];
  /** bear our label, and no binding knows them */
  claim: { engineId: string; network: string }[];
  problems: EngineProblem[];
}

/** What a step depends on beside the networks. */
export interface StepContext extends Self {
  /** of the engine, where it tells one */
  version?: string;
  /** ids of networks that the engine may be about to remove */
  leaving?: ReadonlySet<string>;
}

export function planStep(wanted: EngineNetwork[], present: DockerNetwork[], self: StepContext): Step {
  const step: Step = { create: [], remove: [], claim: [], problems: [] };
  const byId = new Map(wanted.map((network) => [network.id, network]));
  const ours = present.filter((network) => network.Driver === self.driver);
  for (const network of ours) {
    const label = network.Labels[NETWORK_LABEL];
    const target = label === undefined ? wanted.find(({ bound }) => bound.includes(network.Id)) : byId.get(label);
    // One of a cluster this host was in before may still carry that cluster's containers.
    const orphan = label !== undefined && network.Labels[CLUSTER_LABEL] === self.cluster;
    if (target ? target.wish === 'absent' : orphan) {
      step.remove.push({ id: network.Id, name: network.Name, disconnect: target?.force ?? false });
    } else if (target && label !== undefined) {
      step.claim.push({ engineId: network.Id, network: target.id });
    }
  }
  for (const network of wanted) if (network.wish === 'present') offer(step, network, { ...self, present, ours });
  return step;
}

function offer(
  step: Step,
  network: EngineNetwork,
  { present, ours, version = '', leaving }: StepContext & { present: DockerNetwork[]; ours: DockerNetwork[] },
): void {
  // Engines before 25 may have several of one name.
  const named = present.filter((one) => one.Name === network.name);
  const isOurs = ({ Id, Labels }: DockerNetwork) => Labels[NETWORK_LABEL] === network.id || network.bound.includes(Id);
  if (named.some((one) => ours.includes(one) && isOurs(one))) return;
  const foreign = named.find(({ Labels }) => Labels[NETWORK_LABEL] === undefined);
  const object = `${network.tenant}/${network.network}`;
  if (foreign) {
    step.problems.push({
      name: network.name,
      reason: `a ${foreign.Driver} network ${foreign.Id.slice(0, 12)} of this engine has that name`,
      next: `docker network rm ${foreign.Id.slice(0, 12)}, or leave ${object} to the other hosts`,
    });
  } else if (!hasFamily(network, 4) && Number.parseInt(version, 10) < IPV6_ONLY) {
    step.problems.push({
      name: network.name,
      reason: `Docker ${version} gives every network an IPv4 subnet, and ${object} has none`,
      next: `install Docker ${IPV6_ONLY} or later, or weft network extend ${object} --subnet CIDR with one of IPv4`,
    });
  } else if (named.length === 0 && !network.bound.some((id) => leaving?.has(id))) {
    // One of that name that was ours before goes first; the next round finds the name free.
    step.create.push(network);
  }
}

function hasFamily({ subnets }: EngineNetwork, family: 4 | 6): boolean {
  return subnets.some(({ cidr }) => cidr.includes(':') === (family === 6));
}

/** With its subnets, so that users can choose addresses in them (`--ip`). */
export function creationOf(
  network: EngineNetwork,
  { driver, cluster, engine }: Self & { engine: string },
): NetworkCreation {
  const names = { tenant: network.tenant, network: network.network };
  return {
    Name: network.name,
    Driver: driver,
    Internal: network.internal,
    EnableIPv4: hasFamily(network, 4),
    EnableIPv6: hasFamily(network, 6),
    IPAM: {
      Driver: driver,
      Config: network.subnets.map(({ cidr, gateway }) => ({ Subnet: cidr, Gateway: gateway })),
      Options: names,
    },
    // Told with the create itself: who removes it a moment later has removed what weft made.
    Options: { ...names, [SYNCED_OPTION]: engine },
    Labels: {
      [NETWORK_LABEL]: network.id,
      [CLUSTER_LABEL]: cluster,
      'weft.name': `${network.tenant}/${network.network}`,
    },
  };
}
