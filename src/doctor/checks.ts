/** All that is looked at on one host; each check judges the same facts and knows nothing of the others. */
import type { ClusterSettings, ClusterState } from '../model/cluster.ts';
import type { Finding } from '../model/finding.ts';
import type { HostFacts } from '../model/host-facts.ts';
import type { Node } from '../model/objects.ts';
import { checkChecksums } from './checksums.ts';
import { checkFirewall } from './firewall.ts';
import { checkKernel } from './kernel.ts';
import { checkLinkManagers } from './link-managers.ts';
import { checkMtu } from './mtu.ts';
import { checkSource } from './source.ts';
import { checkSubnets } from './subnets.ts';
import { checkUdev } from './udev.ts';
import { checkWalls } from './walls.ts';

export interface HostPicture {
  /** this node's own record */
  node: Node;
  state: ClusterState;
  settings: ClusterSettings;
  facts: HostFacts;
}

export type Check = (picture: HostPicture) => Omit<Finding, 'node'>[];

const CHECKS: readonly Check[] = [
  checkKernel,
  checkMtu,
  checkSource,
  checkFirewall,
  checkChecksums,
  checkSubnets,
  checkWalls,
  checkLinkManagers,
  checkUdev,
];

export function checkHost(picture: HostPicture): Finding[] {
  return CHECKS.flatMap((check) => check(picture)).map((finding) => ({ ...finding, node: picture.node.name }));
}
