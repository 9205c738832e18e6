/** The loop's own comparison without its repairs: what an audit hears of this host's kernel. */
import type { ClusterSettings, ClusterState } from '../model/cluster.ts';
import { linkNames } from '../model/names.ts';
import { sandboxOf } from '../model/objects.ts';
import { diff } from '../plan/diff.ts';
import type { Operation } from '../plan/diff.ts';
import { planGuard, planTenantGuard } from '../plan/guard.ts';
import type { Drift, KernelPicture, SandboxSight } from '../plan/kernel-picture.ts';
import type { KernelPort } from '../plan/kernel-port.ts';
import { keyOf } from '../plan/objects.ts';
import type { KernelObject } from '../plan/objects.ts';
import { planPortGuard } from '../plan/port-guard/plan.ts';
import { routingOf } from '../plan/routing/picture.ts';
import { isPresent } from '../plan/routing/presence.ts';
import type { RulesetIntent } from '../plan/ruleset.ts';
import { planTenant } from '../plan/tenant.ts';
import type { TenantPlan } from '../plan/tenant.ts';

interface Here {
  node: string;
  settings: ClusterSettings;
}

const STATES = { create: 'missing', update: 'different', delete: 'unwanted' } as const;

export async function lookAtKernel(kernel: KernelPort, state: ClusterState, here: Here): Promise<KernelPicture> {
  const standing = new Set(await kernel.namespaces());
  const picture: KernelPicture = {
    drift: await hostDrift(kernel, state, here),
    sandboxes: await sandboxes(kernel, state, here.node),
    missingNamespaces: [],
    staleNamespaces: [],
    ownerlessLinks: await ownerlessLinks(kernel, state, here),
    foreignLinks: [],
  };
  const planned = new Set<string>();
  for (const tenant of state.tenants.keys()) {
    const plan = planTenant(state, { ...here, tenant });
    if (!plan) continue;
    planned.add(plan.namespace);
    if (standing.has(plan.namespace)) await lookAtTenant(kernel, state, { ...here, tenant, plan, picture });
    else picture.missingNamespaces.push(plan.namespace);
  }
  picture.staleNamespaces = [...standing].filter((name) => !planned.has(name));
  return picture;
}

async function hostDrift(kernel: KernelPort, state: ClusterState, { node, settings }: Here): Promise<Drift[]> {
  return isPresent(state, node) ? await rulesetDrift(kernel, null, planGuard(state, node, settings)) : [];
}

async function lookAtTenant(
  kernel: KernelPort,
  state: ClusterState,
  { tenant, plan, picture, ...here }: Here & { tenant: string; plan: TenantPlan; picture: KernelPicture },
): Promise<void> {
  const { namespace } = plan;
  const { objects, foreign } = await kernel.observe(namespace);
  const endpoints = endpointsByPort(plan.objects);
  for (const operation of diff(plan.objects, { objects, foreign })) {
    picture.drift.push(driftOf(namespace, operation, endpoints));
  }
  for (const intent of [
    planTenantGuard(state, tenant, here),
    planPortGuard(state, { tenant, node: here.node }),
  ] satisfies RulesetIntent[]) {
    picture.drift.push(...(await rulesetDrift(kernel, namespace, intent)));
  }
  for (const name of foreign) picture.foreignLinks.push({ namespace, name });
}

function driftOf(namespace: string, operation: Operation, endpoints: ReadonlyMap<string, string>): Drift {
  const { type, object } = operation;
  const link = 'link' in object ? object.link : 'name' in object ? object.name : '';
  return {
    namespace,
    object: keyOf(object),
    state: STATES[type],
    fields: type === 'update' ? operation.fields : [],
    endpoint: endpoints.get(link) ?? '',
  };
}

function endpointsByPort(objects: readonly KernelObject[]): Map<string, string> {
  return new Map(
    objects.flatMap((object) => (object.kind === 'port' && object.peer ? [[object.name, object.peer.endpoint]] : [])),
  );
}

async function rulesetDrift(kernel: KernelPort, name: string | null, intent: RulesetIntent): Promise<Drift[]> {
  if (await kernel.isGuarded(name, intent)) return [];
  return [
    { namespace: name ?? '', object: `table ${intent.kind}`, state: 'different', fields: ['rules'], endpoint: '' },
  ];
}

/** Of containers that were joined and have not left. */
async function sandboxes(kernel: KernelPort, state: ClusterState, node: string): Promise<SandboxSight[]> {
  const seen: SandboxSight[] = [];
  for (const { id, node: owner, attachment } of state.endpoints.values()) {
    const path = sandboxOf(attachment);
    if (owner === node && path !== null) seen.push({ endpoint: id, path, stands: await kernel.isNamespace(path) });
  }
  return seen;
}

async function ownerlessLinks(kernel: KernelPort, state: ClusterState, here: Here): Promise<string[]> {
  const local = [...state.endpoints.values()].filter(({ node }) => node === here.node);
  const owned = new Set([
    ...local.map(({ id }) => linkNames.container(id)),
    ...[...routingOf(state, here).uplinks.keys()].map((tenant) => linkNames.uplink(tenant)),
  ]);
  return (await kernel.hostLinks()).filter((name) => !owned.has(name));
}
