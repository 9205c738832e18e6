/** weft.v1 as calls of control: one for each method. */
import type { CallContext, Control } from '../control/port.ts';
import { portPlace } from '../control/ports/views.ts';
import type { MethodName, Methods, StreamName, Streams } from './definition.ts';
import { page } from './pages.ts';

export type Handlers = {
  [M in MethodName]: (request: Methods[M]['request'], context: CallContext) => Promise<Methods[M]['response']>;
};

export type StreamHandlers = {
  [M in StreamName]: (request: Streams[M]['request'], signal: AbortSignal) => AsyncIterable<Streams[M]['response']>;
};

export function streamHandlers(control: Control): StreamHandlers {
  return { Watch: (request, signal) => control.watch(request, signal) };
}

export function handlers(control: Control): Handlers {
  const done = async (work: Promise<void>) => {
    await work;
    return {};
  };
  return {
    GetStatus: () => control.status(),
    CreateTenant: (request, context) => control.createTenant(request, context),
    ListTenants: async (request) => {
      const { items, nextPageToken } = page(await control.listTenants(request), request);
      return { tenants: items, nextPageToken };
    },
    GetTenant: ({ ref }) => control.getTenant(ref),
    DeleteTenant: ({ ref }, context) => done(control.deleteTenant(ref, context)),
    CreateNetwork: (request, context) => control.createNetwork(request, context),
    ListNetworks: async (request) => {
      const { items, nextPageToken } = page(await control.listNetworks(request), request);
      return { networks: items, nextPageToken };
    },
    GetNetwork: ({ ref }) => control.getNetwork(ref),
    UpdateNetwork: (request, context) => control.updateNetwork(request, context),
    ExtendNetwork: (request, context) => control.extendNetwork(request, context),
    DeleteNetwork: (request, context) => done(control.deleteNetwork(request, context)),
    AttachEndpoint: (request, context) => control.attach(request, context),
    DetachEndpoint: ({ ref }, context) => done(control.detach(ref, context)),
    ListEndpoints: async (request) => {
      const { items, nextPageToken } = page(await control.listEndpoints(request), request);
      return { endpoints: items, nextPageToken };
    },
    GetEndpoint: ({ ref }) => control.getEndpoint(ref),
    UpdateEndpoint: (request, context) => control.updateEndpoint(request, context),
    ListNodes: async (request) => {
      const { items, nextPageToken } = page(await control.listNodes(request), request);
      return { nodes: items, nextPageToken };
    },
    ForgetNode: (request, context) => control.forgetNode(request, context),
    RotateCertificates: (_request, context) => control.rotateCertificates(context),
    CreateToken: (request, context) => control.createToken(request, context),
    ListTokens: async () => ({ tokens: await control.listTokens() }),
    DeleteToken: ({ ref }, context) => done(control.deleteToken(ref, context)),
    Join: (request, context) => control.join(request, context),
    Renew: (request, context) => control.renew(request, context),
    GetEgress: ({ ref }) => control.getEgress(ref),
    SetEgress: (request, context) => control.setEgress(request, context),
    CreateRouter: (request, context) => control.createRouter(request, context),
    ListRouters: async (request) => {
      const { items, nextPageToken } = page(await control.listRouters(request), request);
      return { routers: items, nextPageToken };
    },
    GetRouter: ({ ref }) => control.getRouter(ref),
    DeleteRouter: ({ ref }, context) => done(control.deleteRouter(ref, context)),
    ListPorts: async (request) => {
      const listed = (await control.listPorts(request)).map((port) => ({ ...portPlace(port), port }));
      const { items, nextPageToken } = page(listed, request);
      return { ports: items.map(({ port }) => port), nextPageToken };
    },
    ExplainPort: (request) => control.explainPort(request),
    ShareAddress: (request, context) => control.shareAddress(request, context),
    UnshareAddress: (request, context) => done(control.unshareAddress(request, context)),
    MoveAddress: (request, context) => control.moveAddress(request, context),
    ListSharedAddresses: async (request) => {
      const all = await control.listSharedAddresses(request);
      const placed = all.map((view) => ({ tenant: view.tenant, name: view.network, id: view.address, view }));
      const { items, nextPageToken } = page(placed, request);
      return { addresses: items.map(({ view }) => view), nextPageToken };
    },
    ResumeStore: (request, context) => control.resumeStore(request, context),
    SplitSpace: (request, context) => control.splitSpace(request, context),
    Hint: (request, context) => done(control.hint(request, context)),
    PointToStore: (request, context) => done(control.pointToStore(request, context)),
    Examine: (request, context) => control.examine(request, context),
    SeenProbes: (_request, context) => control.seenProbes(context),
    ExamineNode: (request, context) => control.examineNode(request, context),
    ListEngines: async ({ node }) => ({ engines: await control.listEngines(node === '' ? {} : { node }) }),
    SyncEngine: ({ network }, context) => control.syncEngine(network === '' ? {} : { network }, context),
    AdoptNetwork: ({ ref }, context) => control.adoptNetwork(ref, context),
  };
}
