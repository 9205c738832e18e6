import type { ClusterState } from '../model/cluster.ts';
import { WeftError } from '../model/errors.ts';
import { keys } from '../model/keys.ts';
import { newId } from '../model/names.ts';
import type { Network, Router, Tenant } from '../model/objects.ts';
import { checkName, invalid } from '../model/validate.ts';
import { joined } from '../plan/routing/presence.ts';
import { commit } from './commit.ts';
import type { ControlDeps } from './context.ts';
import type { CallContext, ListFilter } from './port.ts';
import { assertStays, findNetwork, findTenant } from './references.ts';
import type { RouterRequest, RouterView } from './routing-port.ts';

/** so that the pairs of a router, and with them a tenant's ruleset, stay small */
const MOST_NETWORKS = 64;

/** Throws `name-taken`, `network-not-found`, `network-leaving`, and `invalid-argument` for networks that cannot be joined. */
export async function createRouter(
  deps: ControlDeps,
  request: RouterRequest,
  context?: CallContext,
): Promise<RouterView> {
  checkName('name', request.name);
  if (request.networks.length > MOST_NETWORKS) throw invalid('networks', `more than ${MOST_NETWORKS}`);
  const decide = () => {
    const { state } = deps.view.current();
    const tenant = findTenant(state, request.tenant);
    const name = keys.routerName(tenant.id, request.name);
    if (deps.view.entry(name)) {
      const object = `${tenant.name}/${request.name}`;
      throw new WeftError('name-taken', `there is a router ${object} already`, {
        object,
        next: `weft router inspect ${object}`,
      });
    }
    const networks = networksOf(state, tenant, request.networks);
    const router: Router = {
      id: newId(),
      tenant: tenant.id,
      name: request.name,
      networks: networks.map(({ id }) => id).sort(),
      createdAt: deps.now().toISOString(),
    };
    const record = keys.tenant(tenant.id);
    return {
      compare: [
        { key: name, revision: 0 },
        { key: record, revision: deps.view.revisionOf(record) },
        ...networks.map(({ id }) => ({ key: keys.network(id), revision: deps.view.revisionOf(keys.network(id)) })),
      ],
      then: [
        { put: keys.router(tenant.id, router.id), value: router },
        { put: name, value: router.id },
      ],
      result: routerView(state, router),
    };
  };
  return (await commit(deps, decide, context)).result;
}

export async function deleteRouter(deps: ControlDeps, ref: string, context?: CallContext): Promise<void> {
  const decide = () => {
    const router = findRouter(deps.view.current().state, ref);
    const key = keys.router(router.tenant, router.id);
    return {
      compare: [{ key, revision: deps.view.revisionOf(key) }],
      then: [{ delete: key }, { delete: keys.routerName(router.tenant, router.name) }],
      result: undefined,
    };
  };
  await commit(deps, decide, context);
}

export function listRouters(state: ClusterState, filter: ListFilter): RouterView[] {
  return [...state.routers.values()]
    .map((router) => routerView(state, router))
    .filter(({ tenant }) => !filter.tenant || tenant === filter.tenant)
    .sort((a, b) => (`${a.tenant}/${a.name}` < `${b.tenant}/${b.name}` ? -1 : 1));
}

/** TENANT/ROUTER or an id. */
export function findRouter(state: ClusterState, ref: string): Router {
  const [tenantRef = '', name] = ref.split('/');
  const byId = state.routers.get(ref.toUpperCase());
  if (name === undefined && byId) return byId;
  const tenant = name === undefined ? undefined : findTenant(state, tenantRef);
  const found = [...state.routers.values()].find((one) => one.tenant === tenant?.id && one.name === name);
  if (found) return found;
  throw new WeftError('router-not-found', `no router "${ref}"`, { object: ref, next: 'weft router ls -A' });
}

export function routerView(state: ClusterState, router: Router): RouterView {
  return {
    id: router.id,
    name: router.name,
    tenant: state.tenants.get(router.tenant)?.name ?? router.tenant,
    networks: joined(state, router).map(({ name }) => name),
    createdAt: router.createdAt,
  };
}

function networksOf(state: ClusterState, tenant: Tenant, refs: readonly string[]): Network[] {
  const networks = refs.map((ref) => {
    const network = findNetwork(state, ref.includes('/') ? ref : `${tenant.name}/${ref}`);
    assertStays(state, network);
    if (network.tenant !== tenant.id) throw invalid('networks', `${ref} is a network of another tenant`);
    if (network.internal) throw invalid('networks', `${ref} is internal: its containers have no gateway`);
    return network;
  });
  const byId = new Map(networks.map((network) => [network.id, network]));
  if (byId.size < 2) throw invalid('networks', 'a router joins two networks or more');
  return [...byId.values()];
}
