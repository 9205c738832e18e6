/** weft.v1 as grpc-js speaks it, loaded from the .proto at run time, and its messages as TypeScript knows them. */
import { fileURLToPath } from 'node:url';
import { loadPackageDefinition } from '@grpc/grpc-js';
import type { GrpcObject, ServiceClientConstructor } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import type { PackageDefinition } from '@grpc/proto-loader';
import type {
  AttachRequest,
  EndpointUpdate,
  EndpointView,
  EngineView,
  HintRequest,
  JoinRequest,
  ListFilter,
  Membership,
  NetworkExtension,
  NetworkRequest,
  NetworkUpdate,
  NetworkView,
  NodeView,
  PointToStoreRequest,
  SplitSpaceRequest,
  StatusView,
  TenantView,
  TokenRequest,
  TokenView,
  WatchEvent,
  WatchRequest,
} from '../control/port.ts';
import type { Examination, ExamineRequest, NodeExamination, SeenProbes } from '../control/examination/port.ts';
import type { ExplainPortRequest, PortExplanation, PortView } from '../control/ports/port.ts';
import type { EgressRequest, EgressView, RouterRequest, RouterView } from '../control/routing-port.ts';
import type { SharedAddressRequest, SharedAddressView } from '../control/sharing/port.ts';
import type { PageRequest } from './pages.ts';

/** 64-bit values are revisions and counts, all below 2^53. */
const OPTIONS = { keepCase: false, longs: Number, enums: String, defaults: true, arrays: true, objects: true } as const;

export interface Reference {
  ref: string;
}

/** Each method's messages; the same objects as control's, since the .proto was written after them. */
export interface Methods {
  GetStatus: { request: object; response: StatusView };
  CreateTenant: { request: { name: string }; response: TenantView };
  ListTenants: { request: ListRequest; response: { tenants: TenantView[]; nextPageToken: string } };
  GetTenant: { request: Reference; response: TenantView };
  DeleteTenant: { request: Reference; response: object };
  CreateNetwork: { request: NetworkRequest; response: NetworkView };
  ListNetworks: { request: ListRequest; response: { networks: NetworkView[]; nextPageToken: string } };
  UpdateNetwork: { request: NetworkUpdate; response: NetworkView };
  ExtendNetwork: { request: NetworkExtension; response: NetworkView };
  GetNetwork: { request: Reference; response: NetworkView };
  DeleteNetwork: { request: Reference & { force: boolean }; response: object };
  AdoptNetwork: { request: Reference; response: NetworkView };
  AttachEndpoint: { request: AttachRequest; response: EndpointView };
  DetachEndpoint: { request: Reference; response: object };
  ListEndpoints: { request: ListRequest; response: { endpoints: EndpointView[]; nextPageToken: string } };
  GetEndpoint: { request: Reference; response: EndpointView };
  UpdateEndpoint: { request: EndpointUpdate; response: EndpointView };
  ListNodes: { request: ListRequest; response: { nodes: NodeView[]; nextPageToken: string } };
  ForgetNode: { request: Reference & { force: boolean }; response: NodeView };
  RotateCertificates: { request: object; response: { notAfter: string } };
  CreateToken: { request: TokenRequest; response: { token: string; details: TokenView } };
  ListTokens: { request: object; response: { tokens: TokenView[] } };
  DeleteToken: { request: Reference; response: object };
  Join: { request: JoinRequest; response: Membership };
  Renew: { request: Pick<JoinRequest, 'nodeCsr' | 'clientCsr'>; response: Membership };
  GetEgress: { request: Reference; response: EgressView };
  SetEgress: { request: EgressRequest; response: EgressView };
  CreateRouter: { request: RouterRequest; response: RouterView };
  ListRouters: { request: ListRequest; response: { routers: RouterView[]; nextPageToken: string } };
  GetRouter: { request: Reference; response: RouterView };
  DeleteRouter: { request: Reference; response: object };
  ListPorts: { request: ListRequest; response: { ports: PortView[]; nextPageToken: string } };
  ExplainPort: { request: ExplainPortRequest; response: { ports: PortExplanation[] } };
  ShareAddress: { request: SharedAddressRequest; response: SharedAddressView };
  UnshareAddress: { request: SharedAddressRequest; response: object };
  MoveAddress: { request: { network: string; address: string; endpoint: string }; response: SharedAddressView };
  ListSharedAddresses: { request: ListRequest; response: { addresses: SharedAddressView[]; nextPageToken: string } };
  ResumeStore: { request: { force: boolean }; response: { missing: string[] } };
  SplitSpace: { request: SplitSpaceRequest; response: { answer: string } };
  Hint: { request: HintRequest; response: object };
  PointToStore: { request: PointToStoreRequest; response: object };
  Examine: { request: ExamineRequest; response: Examination };
  SeenProbes: { request: object; response: SeenProbes };
  ExamineNode: { request: ExamineRequest; response: NodeExamination };
  ListEngines: { request: { node: string }; response: { engines: EngineView[] } };
  SyncEngine: { request: { network: string }; response: EngineView };
}

/** Methods that answer with a stream. */
export interface Streams {
  Watch: { request: WatchRequest; response: WatchEvent };
}

export type ListRequest = ListFilter & PageRequest;
export type MethodName = keyof Methods;
export type StreamName = keyof Streams;

/** Messages larger than this are refused by both sides. */
export const MESSAGE_LIMIT = 4 * 1024 * 1024;

export const ERROR_TRAILER = 'weft-error-bin';

/** The service, and every message of its package by name. */
export interface Api {
  Weft: ServiceClientConstructor;
  messages: GrpcObject;
  definition: PackageDefinition;
}

/** Some 30 ms of a processor: for who makes several clients or servers, once. */
export function loadApi(): Api {
  const path = fileURLToPath(new URL('proto/weft/v1/weft.proto', import.meta.url));
  const definition = loadSync(path, OPTIONS);
  const loaded = loadPackageDefinition(definition) as unknown as {
    weft: { v1: GrpcObject & { Weft: ServiceClientConstructor } };
  };
  return { Weft: loaded.weft.v1.Weft, messages: loaded.weft.v1, definition };
}
