import { WeftError } from '../model/errors.ts';
import { keys, prefixes } from '../model/keys.ts';
import { newId } from '../model/names.ts';
import type { Egress, Origin, Tenant } from '../model/objects.ts';
import { checkName } from '../model/validate.ts';
import type { Operation, Compare } from '../store/port.ts';
import { commit } from './commit.ts';
import type { ControlDeps } from './context.ts';
import { egressRemoval } from './egress-pins.ts';
import type { CallContext } from './port.ts';
import { findTenant } from './references.ts';

/** The tenant that a name without one belongs to; made with its first network, gone with its last. */
export const DEFAULT_TENANT = 'default';

export function newTenant(name: string, origin: Origin, now: Date): Tenant {
  return { id: newId(), name, origin, createdAt: now.toISOString() };
}

/** What a transaction that makes this tenant compares and writes; `ranges` is the value of its `subnets/` record. */
export function tenantRecords(tenant: Tenant, ranges: string[]): { compare: Compare[]; then: Operation[] } {
  return {
    compare: [{ key: keys.tenantName(tenant.name), revision: 0 }],
    then: [
      { put: keys.tenant(tenant.id), value: tenant },
      { put: keys.tenantName(tenant.name), value: tenant.id },
      { put: keys.subnets(tenant.id), value: ranges },
    ],
  };
}

/** `egress`: what is on record of it */
export function tenantRemoval(tenant: Tenant, egress: Egress | undefined): Operation[] {
  return [
    { delete: keys.tenant(tenant.id) },
    { delete: keys.tenantName(tenant.name) },
    { delete: keys.subnets(tenant.id) },
    ...egressRemoval(tenant.id, egress),
    { deletePrefix: prefixes.routersOf(tenant.id) },
    { deletePrefix: prefixes.routerNamesOf(tenant.id) },
  ];
}

export async function createTenant(deps: ControlDeps, name: string, context?: CallContext): Promise<Tenant> {
  checkName('name', name);
  const decide = () => {
    if (deps.view.entry(keys.tenantName(name))) {
      throw new WeftError('name-taken', `there is a tenant "${name}" already`, {
        object: name,
        next: `weft tenant inspect ${name}`,
      });
    }
    const tenant = newTenant(name, 'user', deps.now());
    return { ...tenantRecords(tenant, []), result: tenant };
  };
  return (await commit(deps, decide, context)).result;
}

export async function deleteTenant(deps: ControlDeps, ref: string, context?: CallContext): Promise<void> {
  const decide = () => {
    const { state } = deps.view.current();
    const tenant = findTenant(state, ref);
    const networks = [...state.networks.values()].filter((network) => network.tenant === tenant.id);
    if (networks.length > 0) {
      const names = networks.map((network) => network.name).slice(0, 5);
      throw new WeftError('tenant-in-use', `tenant "${tenant.name}" has networks: ${names.join(', ')}`, {
        object: tenant.name,
        next: `weft network delete ${tenant.name}/${names[0] ?? ''}`,
      });
    }
    const key = keys.tenant(tenant.id);
    return {
      compare: [{ key, revision: deps.view.revisionOf(key) }, { emptyPrefix: prefixes.networkNamesOf(tenant.id) }],
      then: tenantRemoval(tenant, state.egress.get(tenant.id)),
      result: undefined,
    };
  };
  await commit(deps, decide, context);
}
