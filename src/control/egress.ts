import type { ClusterState } from '../model/cluster.ts';
import { checkExceptions, formatException } from '../model/egress.ts';
import { keys } from '../model/keys.ts';
import type { Egress } from '../model/objects.ts';
import { clip, invalid } from '../model/validate.ts';
import { egressOf } from '../plan/routing/uplinks.ts';
import { commit } from './commit.ts';
import type { ControlDeps } from './context.ts';
import { pinChanges, pinOf, pinView } from './egress-pins.ts';
import type { CallContext } from './port.ts';
import { findTenant } from './references.ts';
import type { EgressRequest, EgressView } from './routing-port.ts';

/** Throws `tenant-not-found`, `invalid-argument`, and what a pin throws (egress-pins.ts). */
export async function setEgress(deps: ControlDeps, request: EgressRequest, context?: CallContext): Promise<EgressView> {
  const allow = checkExceptions('allow', request.allow);
  const ipv6 = familyMode(request.ipv6);
  const decide = () => {
    const { state } = deps.view.current();
    const tenant = findTenant(state, request.tenant);
    const kept = state.egress.get(tenant.id);
    const before = kept?.pin;
    const after = pinOf(deps, request, before);
    const egress: Egress = { ...kept, tenant: tenant.id, off: request.off, ipv6, allow };
    if (after) egress.pin = after;
    else delete egress.pin;
    const { compare, then } = pinChanges(deps, tenant, { before, after });
    // A tenant that goes takes this with it; a VNI and addresses are claimed and given back once.
    const known = [keys.tenant(tenant.id), keys.egress(tenant.id)];
    return {
      compare: [...known.map((key) => ({ key, revision: deps.view.revisionOf(key) })), ...compare],
      then: [{ put: keys.egress(tenant.id), value: egress }, ...then],
      result: tenant.id,
    };
  };
  const { result } = await commit(deps, decide, context);
  return egressView(deps.view.current().state, result);
}

export function egressView(state: ClusterState, ref: string): EgressView {
  const tenant = findTenant(state, ref);
  const { off, ipv6, allow } = egressOf(state, tenant.id);
  return { tenant: tenant.name, off, ipv6, allow: allow.map(formatException), ...pinView(state, tenant.id) };
}

function familyMode(text: string): 'nat' | 'routed' {
  if (text === '' || text === 'nat') return 'nat';
  if (text === 'routed') return 'routed';
  throw invalid('ipv6', `"${clip(text)}" is neither nat nor routed`);
}
