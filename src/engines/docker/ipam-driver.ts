/**
 * Docker's IpamDriver. Its requests name neither network nor container; which addresses belong to whom is settled when
 * the network driver is asked to make a network or an endpoint with them.
 */
import { z } from 'zod';
import { WeftError } from '../../model/errors.ts';
import { poolOptions } from './options.ts';
import { constant, flag, mapOf, method, swarmUnsupported, text } from './wire.ts';
import type { Methods } from './wire.ts';

const GATEWAY_TYPE = 'com.docker.network.gateway';
/** told from Docker 29 on */
const ENDPOINT_NAME = 'com.docker.network.endpoint.name';
const NAME_LIMIT = 256;

const LOCAL = 'weft-local';
/** Docker asks for pools of this one for networks of swarm scope only. */
const GLOBAL = 'weft-global';

const poolRequest = z.object({
  AddressSpace: z.string().min(1).max(128),
  Pool: text,
  SubPool: text,
  Options: mapOf(text),
  V6: flag,
});
const poolId = z.string().min(1).max(128);
const poolRelease = z.object({ PoolID: poolId });
const addressRequest = z.object({ PoolID: poolId, Address: text, Options: mapOf(z.unknown()) });
const addressRelease = z.object({ PoolID: poolId, Address: text });

export const ipamDriver: Methods = {
  // The state is in the cluster's store: Docker need not replay what it knows when it starts.
  'IpamDriver.GetCapabilities': constant({ RequiresMACAddress: false, RequiresRequestReplay: false }),

  'IpamDriver.GetDefaultAddressSpaces': constant({
    LocalDefaultAddressSpace: LOCAL,
    GlobalDefaultAddressSpace: GLOBAL,
  }),

  'IpamDriver.RequestPool': method(poolRequest, async (request, control, context) => {
    assertLocal(request.AddressSpace);
    const pool = await control.requestPool(
      {
        engine: 'docker',
        addressSpace: request.AddressSpace,
        cidr: request.Pool,
        range: request.SubPool,
        v6: request.V6,
        ...poolOptions(request.Options),
      },
      context,
    );
    return { PoolID: pool.id, Pool: pool.cidr, Data: {} };
  }),

  'IpamDriver.ReleasePool': method(poolRelease, async (request, control, context) => {
    await control.releasePool(request.PoolID, context);
    return {};
  }),

  'IpamDriver.RequestAddress': method(addressRequest, async (request, control, context) => {
    const gateway = request.Options.RequestAddressType === GATEWAY_TYPE;
    const name = request.Options[ENDPOINT_NAME];
    const named = typeof name === 'string' && name !== '' ? { name: name.slice(0, NAME_LIMIT) } : {};
    const wish = { poolId: request.PoolID, address: request.Address, gateway, ...named };
    const { address } = await control.requestAddress(wish, context);
    return { Address: address, Data: {} };
  }),

  'IpamDriver.ReleaseAddress': method(addressRelease, async (request, control, context) => {
    await control.releaseAddress({ poolId: request.PoolID, address: request.Address }, context);
    return {};
  }),
};

function assertLocal(addressSpace: string): void {
  if (addressSpace === LOCAL) return;
  if (addressSpace === GLOBAL) throw swarmUnsupported();
  throw new WeftError('invalid-argument', `AddressSpace: "${addressSpace.slice(0, 40)}" is none of weft's`, {
    next: 'restart the engine if the address driver was changed under it',
  });
}
