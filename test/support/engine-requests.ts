/** What an engine asks of a node, in the order in which Docker asks, and how time passes for what it has left behind. */
import { Housekeeping } from '../../src/control/housekeeping.ts';
import type { BindRequest, EngineControl, PoolRequest } from '../../src/control/engines/port.ts';
import type { TestCluster } from './control.ts';

export type TestNode = Awaited<ReturnType<TestCluster['node']>>;

export const POOL: PoolRequest = {
  engine: 'docker',
  addressSpace: 'weft-local',
  cidr: '10.10.0.0/16',
  range: '',
  v6: false,
  tenant: 'acme',
  network: 'web',
};

/** A pool with its gateway asked for, as Docker has it before CreateNetwork. */
export async function pool(engines: EngineControl, wish: Partial<PoolRequest> = {}) {
  const { id, cidr } = await engines.requestPool({ ...POOL, ...wish });
  const { address } = await engines.requestAddress({ poolId: id, address: '', gateway: true });
  return { id, cidr, gateway: address.split('/')[0] ?? '' };
}

export function bind(
  engines: EngineControl,
  engineId: string,
  pools: { cidr: string; gateway: string }[],
  more: Partial<BindRequest> = {},
) {
  const subnets = pools.map(({ cidr, gateway }) => ({ addressSpace: 'weft-local', cidr, gateway, reserved: [] }));
  return engines.bindNetwork({
    engine: 'docker',
    engineId,
    tenant: 'acme',
    network: 'web',
    subnets,
    internal: false,
    ...more,
  });
}

export async function endpoint(engines: EngineControl, engineId: string, endpointId: string, addresses: string[]) {
  const request = { engine: 'docker', engineId, endpointId, addresses, mac: '', labels: {}, container: null } as const;
  return await engines.createEndpoint(request);
}

/** A look of housekeeping now, and one when so much time has passed. */
export async function later({ deps }: TestNode, time: number): Promise<void> {
  let clock = 0;
  const housekeeping = new Housekeeping(deps, () => clock);
  await housekeeping.round(new AbortController().signal);
  clock = time;
  await housekeeping.round(new AbortController().signal);
}
