import type { ClusterState } from '../model/cluster.ts';
import { checkExceptions, formatException } from '../model/egress.ts';
import { keys } from '../model/keys.ts';
import type { Egress, Tenant } from '../model/objects.ts';
import { invalid } from '../model/validate.ts';
import { egressOf } from '../plan/routing/uplinks.ts';
import { commit } from './commit.ts';
import type { ControlDeps } from './context.ts';
import type { CallContext } from './port.ts';
import { findTenant } from './references.ts';
import type { EgressRequest, EgressView } from './routing-port.ts';

/** Throws `tenant-not-found`, `invalid-argument`. */
export async function setEgress(deps: ControlDeps, request: EgressRequest, context?: CallContext): Promise<EgressView> {
  const allow = checkExceptions('allow', request.allow);
  const ipv6 = familyMode(request.ipv6);
  const decide = () => {
    const tenant = findTenant(deps.view.current().state, request.tenant);
    const key = keys.egress(tenant.id);
    const egress: Egress = { ...deps.view.value<Egress>(key), tenant: tenant.id, off: request.off, ipv6, allow };
    const record = keys.tenant(tenant.id);
    return {
      // A tenant that goes takes this with it.
      compare: [record, key].map((one) => ({ key: one, revision: deps.view.revisionOf(one) })),
      then: [{ put: key, value: egress }],
      result: viewOf(tenant, egress),
    };
  };
  return (await commit(deps, decide, context)).result;
}

export function egressView(state: ClusterState, ref: string): EgressView {
  const tenant = findTenant(state, ref);
  return viewOf(tenant, egressOf(state, tenant.id));
}

function viewOf(tenant: Tenant, { off, ipv6, allow }: Egress): EgressView {
  return { tenant: tenant.name, off, ipv6, allow: allow.map(formatException) };
}

function familyMode(text: string): 'nat' | 'routed' {
  if (text === '' || text === 'nat') return 'nat';
  if (text === 'routed') return 'routed';
  throw invalid('ipv6', `"${text.slice(0, 80)}" is neither nat nor routed`);
}
