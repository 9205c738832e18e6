/**
 * Pools as an engine's address driver asks for them. Docker asks before any network exists and never says for which, so
 * a pool stands alone, in a record of this node, until the network of this engine that is made next takes it.
 */
import { formatCidr, overlaps, parseCidr } from '../../model/address/cidr.ts';
import type { Cidr } from '../../model/address/cidr.ts';
import { WeftError } from '../../model/errors.ts';
import { chooseSubnet } from '../../model/ipam/choose-subnet.ts';
import { keys, prefixes } from '../../model/keys.ts';
import { newId } from '../../model/names.ts';
import type { Network } from '../../model/objects.ts';
import { checkSubnet, invalid } from '../../model/validate.ts';
import { commit } from '../commit.ts';
import type { ControlDeps } from '../context.ts';
import type { Pool, PoolRequest } from './port.ts';
import type { CallContext } from '../port.ts';
import { lookupNetwork, networkName } from '../references.ts';
import { DEFAULT_TENANT } from '../tenants.ts';

/** a turn of its own: no network or pool is called so */
const CHOICES = 'pools/';
/** How often one subnet is given to requests for any, before the engine must be refusing it. */
const REPEATS = 8;

export interface PoolRecord {
  id: string;
  node: string;
  engine: 'docker';
  addressSpace: string;
  cidr: string;
  range: string;
  /** names from the IPAM options, '' where absent */
  tenant: string;
  network: string;
  /** id of the network that took it; null before */
  taken: string | null;
  /** the engine's id of the network it came in with; absent where two could not be told apart, and before it is taken */
  engineId?: string;
  gateway: string | null;
  reserved: string[];
  createdAt: string;
}

export async function requestPool(deps: ControlDeps, request: PoolRequest, context?: CallContext): Promise<Pool> {
  const avoid = request.cidr === '' ? await deps.hostRoutes() : [];
  const decide = () => {
    const existing = namedNetwork(deps, request);
    const cidr = existing ? subnetOf(deps, existing, request) : freshSubnet(deps, request, avoid);
    const record: PoolRecord = {
      id: newId(),
      node: deps.node.id,
      engine: request.engine,
      addressSpace: request.addressSpace,
      cidr,
      range: rangeIn(request.range, cidr),
      tenant: request.tenant,
      network: request.network,
      taken: null,
      gateway: null,
      reserved: [],
      createdAt: deps.now().toISOString(),
    };
    const key = keys.pool(deps.node.id, record.id);
    return { compare: [{ key, revision: 0 }], then: [{ put: key, value: record }], result: { id: record.id, cidr } };
  };
  // One after the other: what was chosen a moment ago is known by its record only.
  const { result } = await deps.turns.take(CHOICES, () => commit(deps, decide, context));
  await deps.at?.('pool.recorded');
  return result;
}

export function poolsOfNode(deps: ControlDeps): PoolRecord[] {
  return deps.view.list<PoolRecord>(prefixes.pools(deps.node.id));
}

export function findPool(deps: ControlDeps, id: string): PoolRecord {
  const pool = deps.view.value<PoolRecord>(keys.pool(deps.node.id, id));
  if (!pool) {
    throw new WeftError('pool-not-found', `no weft network has taken pool "${id}", or the network is gone`, {
      object: id,
      next: 'create the network again, with both -d weft and --ipam-driver weft',
    });
  }
  return pool;
}

export function namedNetwork(deps: ControlDeps, names: { tenant: string; network: string }): Network | undefined {
  if (!names.network) return undefined;
  return lookupNetwork(deps.view.current().state, `${names.tenant || DEFAULT_TENANT}/${names.network}`);
}

function subnetOf(deps: ControlDeps, network: Network, request: PoolRequest): string {
  const family = request.v6 ? 6 : 4;
  const mine = network.subnets.filter((subnet) => mustCidr(subnet.cidr).family === family);
  const asked = request.cidr === '' ? mine[0] : mine.find((subnet) => subnet.cidr === askedCidr(request.cidr));
  if (asked && request.cidr === '') assertUseful(deps, asked.cidr, request);
  if (asked) return asked.cidr;
  const object = networkName(deps.view.current().state, network);
  const has = network.subnets.map((subnet) => subnet.cidr).join(', ');
  throw new WeftError(
    'subnet-mismatch',
    `${object} exists with ${has}, not with ${request.cidr || `an IPv${family} subnet`}`,
    {
      object,
    },
  );
}

/**
 * Docker asks again, without end and without giving anything back, while what it gets meets a route or a name server of
 * its host. A network that exists has no other subnet to offer.
 */
function assertUseful(deps: ControlDeps, cidr: string, request: PoolRequest): void {
  const same = poolsOfNode(deps).filter(
    (pool) =>
      pool.taken === null && pool.cidr === cidr && pool.tenant === request.tenant && pool.network === request.network,
  );
  if (same.length < REPEATS) return;
  const object = `${request.tenant || DEFAULT_TENANT}/${request.network}`;
  throw new WeftError('subnet-overlap', `${request.engine} finds ${cidr} of ${object} in the way of this host`, {
    object,
    next: `free the range on this host, or insist on it: --subnet ${cidr}`,
  });
}

function askedCidr(text: string): string {
  const cidr = parseCidr(text);
  return cidr ? formatCidr(cidr) : text;
}

function freshSubnet(deps: ControlDeps, request: PoolRequest, avoid: Cidr[]): string {
  if (request.cidr !== '') return checkSubnet('Pool', { cidr: request.cidr }).cidr;
  const { state } = deps.view.current();
  // Without a name here, the driver's own option may name any tenant.
  const tenants = [...state.tenants.values()].filter((one) => request.tenant === '' || one.name === request.tenant);
  const ranges = tenants.flatMap((tenant) => deps.view.value<string[]>(keys.subnets(tenant.id)) ?? []);
  // A pool that Docker finds in its way is kept while it asks for the next: that must be another one.
  const pending = poolsOfNode(deps).filter((pool) => pool.taken === null);
  const used = [...ranges, ...pending.map((pool) => pool.cidr)].flatMap((range) => parseCidr(range) ?? []);
  const cidr = chooseSubnet(request.v6 ? 6 : 4, deps.settings.id, [...used, ...avoid]);
  if (!cidr) throw new WeftError('no-free-subnet', 'no default subnet is free', { object: request.network });
  return formatCidr(cidr);
}

function rangeIn(range: string, cidr: string): string {
  if (range === '') return '';
  const [inner, outer] = [parseCidr(range), parseCidr(cidr)];
  if (!inner || !outer || !overlaps(inner, outer) || inner.prefix < outer.prefix) {
    throw invalid('SubPool', `${range} is no part of ${cidr}`);
  }
  return formatCidr(inner);
}

export function mustCidr(text: string): Cidr {
  const cidr = parseCidr(text);
  if (!cidr) throw new TypeError(`not a subnet: ${text}`);
  return cidr;
}
