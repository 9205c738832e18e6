/** This node's own part of an examination. */
import { setTimeout as delay } from 'node:timers/promises';
import { auditNode } from '../../audit/node.ts';
import { checkHost } from '../../doctor/checks.ts';
import { conditionFindings } from '../../doctor/conditions.ts';
import { checkWays } from '../../doctor/paths.ts';
import type { ClusterState } from '../../model/cluster.ts';
import type { Finding } from '../../model/finding.ts';
import { inOrderOfNodes, lasting } from '../../model/finding.ts';
import type { FactsWish } from '../../model/host-facts.ts';
import { prefixes } from '../../model/keys.ts';
import { sandboxOf } from '../../model/objects.ts';
import type { AddressRecord } from '../../model/objects.ts';
import type { Condition } from '../../model/status.ts';
import type { ControlDeps } from '../context.ts';
import { SPACE } from '../ownership/keys.ts';
import type { SpaceRecord } from '../ownership/space-records.ts';
import type { CallContext } from '../port.ts';
import type { ExamineRequest, NodeExamination } from './port.ts';
import { nodePicture } from './node-picture.ts';
import { probePeers } from './probe-peers.ts';

/** Between two looks, in milliseconds: an attach, a detach or a repair that the first met is over by the second. */
export const PAUSE = 1_500;
/** More of them say no more, and an answer has its size. */
const MOST_FINDINGS = 500;

export type ExaminationDeps = ControlDeps & { conditions: () => Condition[] };

export async function examineNode(
  deps: ExaminationDeps,
  { audit }: ExamineRequest,
  { signal }: CallContext = {},
): Promise<NodeExamination> {
  const began = deps.now().getTime();
  const look = async () => (audit ? auditNode(await nodePicture(deps, signal)) : await hostFindings(deps, signal));
  const findings = await lastingFindings(look, signal);
  return {
    node: deps.node.id,
    name: deps.node.name,
    applied: deps.reconciler.applied(),
    findings: bounded(inOrderOfNodes(findings), deps.node.name),
    ...(audit ? owned(deps) : { holdings: [], space: [] }),
    began,
    ended: deps.now().getTime(),
  };
}

/** What the daemon says of itself, and what it does not look at. */
async function hostFindings(deps: ExaminationDeps, signal: AbortSignal | undefined): Promise<Finding[]> {
  const { conditions, node, view, settings, hostFacts, log } = deps;
  const said = conditionFindings(node.name, conditions());
  const { state } = view.current();
  const own = state.nodes.get(node.id);
  if (!own || !hostFacts) return said;
  const peers = [...state.nodes.values()].filter(({ id }) => id !== node.id);
  const facts = await hostFacts({
    vtep: own.vtep,
    peers: peers.map(({ id, vtep }) => ({ node: id, vtep })),
    sandboxes: sandboxesOf(state, node.id),
  });
  log.debug({ facts }, 'examined this host');
  const { mtu = own.underlayMtu } = facts.underlay ?? {};
  const ways = await probePeers(deps, { ...own, underlayMtu: mtu }, signal);
  return [
    ...said,
    ...checkHost({ node: own, state, settings, facts }),
    ...checkWays(own.name, settings.overlayPort, ways),
  ];
}

function sandboxesOf({ endpoints }: ClusterState, node: string): FactsWish['sandboxes'] {
  return [...endpoints.values()].flatMap(({ id, node: owner, attachment }) => {
    const path = sandboxOf(attachment);
    return owner === node && path !== null ? [{ endpoint: id, path }] : [];
  });
}

export async function lastingFindings(
  look: () => Promise<Finding[]>,
  signal: AbortSignal | undefined,
): Promise<Finding[]> {
  const first = await look();
  if (first.length === 0) return [];
  await delay(PAUSE, undefined, signal ? { signal } : {});
  return lasting(first, await look());
}

function bounded(findings: Finding[], node: string): Finding[] {
  if (findings.length <= MOST_FINDINGS) return findings;
  const left = findings.length - MOST_FINDINGS;
  const more = { code: 'more-findings', node, object: node, evidence: `${left} more`, command: 'mend these first' };
  return [...findings.slice(0, MOST_FINDINGS), more];
}

function owned({ ownership: { records } }: ControlDeps): Pick<NodeExamination, 'holdings' | 'space'> {
  const addresses = [...records.entries(prefixes.addresses)].map(([, value]) => value as AddressRecord);
  const spaces = [...records.entries(SPACE)].map(([, value]) => value as SpaceRecord);
  return {
    holdings: addresses.map(({ network, address, endpoint }) => ({ network, address, endpoint: endpoint ?? '' })),
    space: spaces.flatMap(({ network, parts }) => parts.map((part) => ({ network, part }))),
  };
}
