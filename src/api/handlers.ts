/** weft.v1 as calls of control: one for each method. */
import type { CallContext, Control } from '../control/port.ts';
import type { MethodName, Methods } from './definition.ts';

export type Handlers = {
  [M in MethodName]: (request: Methods[M]['request'], context: CallContext) => Promise<Methods[M]['response']>;
};

export function handlers(control: Control): Handlers {
  const done = async (work: Promise<void>) => {
    await work;
    return {};
  };
  return {
    GetStatus: () => control.status(),
    CreateTenant: (request, context) => control.createTenant(request, context),
    ListTenants: async () => ({ tenants: await control.listTenants() }),
    GetTenant: ({ ref }) => control.getTenant(ref),
    DeleteTenant: ({ ref }, context) => done(control.deleteTenant(ref, context)),
    CreateNetwork: (request, context) => control.createNetwork(request, context),
    ListNetworks: async (request) => ({ networks: await control.listNetworks(request) }),
    GetNetwork: ({ ref }) => control.getNetwork(ref),
    DeleteNetwork: (request, context) => done(control.deleteNetwork(request, context)),
    AttachEndpoint: (request, context) => control.attach(request, context),
    DetachEndpoint: ({ ref }, context) => done(control.detach(ref, context)),
    ListEndpoints: async (request) => ({ endpoints: await control.listEndpoints(request) }),
    GetEndpoint: ({ ref }) => control.getEndpoint(ref),
    ListNodes: async () => ({ nodes: await control.listNodes() }),
    ListEngines: async ({ node }) => ({ engines: await control.listEngines(node === '' ? {} : { node }) }),
    SyncEngine: ({ network }, context) => control.syncEngine(network === '' ? {} : { network }, context),
    AdoptNetwork: ({ ref }, context) => control.adoptNetwork(ref, context),
  };
}
