/**
 * Docker's NetworkDriver.
 *
 * Published ports come with CreateEndpoint and Join of every network of a container, also of those that will not carry them.
 * Only ProgramExternalConnectivity, called for the one endpoint that is the container's way out, says that we are meant: there
 * they are published, as a whole. A refusal fails the start, and Docker takes the endpoint back with Leave and
 * DeleteEndpoint. They end with Revoke, with Leave (29 sends no Revoke before it) or with the endpoint, whichever comes
 * first. An internal network is never a way out, and is never asked.
 */
import { z } from 'zod';
import type { BindRequest } from '../../control/engines/port.ts';
import { bareAddress } from '../../model/address/cidr.ts';
import { askedMac, endpointLabels, networkOptions, portWishes } from './options.ts';
import { constant, engineId, listOf, mapOf, method, swarmUnsupported, text } from './wire.ts';
import type { Method, Methods } from './wire.ts';

const ipamData = z.object({ AddressSpace: text, Pool: z.string(), Gateway: text, AuxAddresses: mapOf(text) });
const options = mapOf(z.unknown());
const networkCreate = z.object({
  NetworkID: engineId,
  Options: options,
  IPv4Data: listOf(ipamData),
  IPv6Data: listOf(ipamData),
});
const networkKey = z.object({ NetworkID: engineId });
const endpointKey = networkKey.extend({ EndpointID: engineId });
const endpointCreate = endpointKey.extend({
  Interface: z
    .object({ Address: text, AddressIPv6: text, MacAddress: text })
    .nullish()
    .transform((given) => given ?? { Address: '', AddressIPv6: '', MacAddress: '' }),
  Options: options,
});
const join = endpointKey.extend({ SandboxKey: text });
const program = endpointKey.extend({ Options: options });

const noSwarm: Method = () => Promise.reject(swarmUnsupported());

/** Docker's two types of routes: through a gateway, and to what is on the link */
const NEXT_HOP = 0;
const CONNECTED = 1;

export const networkDriver: Methods = {
  'NetworkDriver.GetCapabilities': constant({
    Scope: 'local',
    ConnectivityScope: 'global',
    GwAllocChecker: false,
  }),
  'NetworkDriver.AllocateNetwork': noSwarm,
  'NetworkDriver.FreeNetwork': noSwarm,

  'NetworkDriver.CreateNetwork': method(networkCreate, async (request, control, context) => {
    const subnets = [...request.IPv4Data, ...request.IPv6Data].map(toSubnet);
    const bind = {
      engine: 'docker',
      engineId: request.NetworkID,
      subnets,
      ...networkOptions(request.Options),
    } as const;
    await control.bindNetwork(bind, context);
    return {};
  }),

  'NetworkDriver.DeleteNetwork': method(networkKey, async (request, control, context) => {
    await control.unbindNetwork({ engine: 'docker', engineId: request.NetworkID }, context);
    return {};
  }),

  'NetworkDriver.CreateEndpoint': method(endpointCreate, async (request, control, context) => {
    const { Address, AddressIPv6, MacAddress } = request.Interface;
    const mac = MacAddress || askedMac(request.Options);
    const endpoint = await control.createEndpoint(
      {
        ...dockerEndpoint(request),
        addresses: [Address, AddressIPv6].filter((address) => address !== ''),
        mac,
        labels: endpointLabels(request.Options),
        container: null,
      },
      context,
    );
    // A value where the request had one is a change of it to Docker, and rolls the endpoint back.
    return { Interface: mac === '' ? { MacAddress: endpoint.mac } : {} };
  }),

  'NetworkDriver.Join': method(join, async (request, control, context) => {
    const wish = { ...dockerEndpoint(request), sandbox: request.SandboxKey };
    const joined = await control.joinEndpoint(wish, context);
    return {
      InterfaceName: { SrcName: joined.interfaceName, DstPrefix: 'eth' },
      Gateway: joined.gateway4,
      GatewayIPv6: joined.gateway6,
      StaticRoutes: [
        ...joined.routes.map(({ destination, via }) => ({
          Destination: destination,
          RouteType: NEXT_HOP,
          NextHop: via,
        })),
        ...joined.links.map((destination) => ({ Destination: destination, RouteType: CONNECTED })),
      ],
      // Without it Docker joins containers of internal networks to a bridge of its own, with a way out.
      DisableGatewayService: true,
    };
  }),

  'NetworkDriver.ProgramExternalConnectivity': method(program, async (request, control, context) => {
    const ports = portWishes(request.Options);
    const key = dockerEndpoint(request);
    if (ports.length === 0) await control.unpublishPorts(key, context);
    else await control.publishPorts({ ...key, ports }, context);
    return {};
  }),
  'NetworkDriver.RevokeExternalConnectivity': unpublish(),

  // The interface is still in the sandbox at Leave; Docker hands it back before DeleteEndpoint, which removes it.
  'NetworkDriver.Leave': unpublish(),

  'NetworkDriver.DeleteEndpoint': method(endpointKey, async (request, control, context) => {
    await control.deleteEndpoint(dockerEndpoint(request), context);
    return {};
  }),

  // Asked several times a start, of every endpoint of the container; an error would fail the start, even one about a
  // lost body. Docker shows nothing of what a driver of this kind tells here.
  'NetworkDriver.EndpointOperInfo': constant({ Value: {} }),
  'NetworkDriver.DiscoverNew': constant({}),
  'NetworkDriver.DiscoverDelete': constant({}),
};

function unpublish(): Method {
  return method(endpointKey, async (request, control, context) => {
    await control.unpublishPorts(dockerEndpoint(request), context);
    return {};
  });
}

function dockerEndpoint(key: z.output<typeof endpointKey>) {
  return { engine: 'docker', engineId: key.NetworkID, endpointId: key.EndpointID } as const;
}

function toSubnet(data: z.output<typeof ipamData>): BindRequest['subnets'][number] {
  return {
    addressSpace: data.AddressSpace,
    cidr: data.Pool,
    gateway: bareAddress(data.Gateway),
    reserved: Object.values(data.AuxAddresses).map(bareAddress),
  };
}
