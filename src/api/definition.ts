/** weft.v1 as grpc-js speaks it, loaded from the .proto at run time, and its messages as TypeScript knows them. */
import { fileURLToPath } from 'node:url';
import { loadPackageDefinition } from '@grpc/grpc-js';
import type { GrpcObject, ServiceClientConstructor } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import type {
  AttachRequest,
  EndpointView,
  EngineView,
  ListFilter,
  NetworkRequest,
  NetworkView,
  NodeView,
  StatusView,
  TenantView,
} from '../control/port.ts';

/** 64-bit values are revisions and counts, all below 2^53. */
const OPTIONS = { keepCase: false, longs: Number, enums: String, defaults: true, arrays: true, objects: true } as const;

export interface Reference {
  ref: string;
}

/** Each method's messages; the same objects as control's, since the .proto was written after them. */
export interface Methods {
  GetStatus: { request: object; response: StatusView };
  CreateTenant: { request: { name: string }; response: TenantView };
  ListTenants: { request: object; response: { tenants: TenantView[] } };
  GetTenant: { request: Reference; response: TenantView };
  DeleteTenant: { request: Reference; response: object };
  CreateNetwork: { request: NetworkRequest; response: NetworkView };
  ListNetworks: { request: ListFilter; response: { networks: NetworkView[] } };
  GetNetwork: { request: Reference; response: NetworkView };
  DeleteNetwork: { request: Reference & { force: boolean }; response: object };
  AdoptNetwork: { request: Reference; response: NetworkView };
  AttachEndpoint: { request: AttachRequest; response: EndpointView };
  DetachEndpoint: { request: Reference; response: object };
  ListEndpoints: { request: ListFilter; response: { endpoints: EndpointView[] } };
  GetEndpoint: { request: Reference; response: EndpointView };
  ListNodes: { request: object; response: { nodes: NodeView[] } };
  ListEngines: { request: { node: string }; response: { engines: EngineView[] } };
  SyncEngine: { request: { network: string }; response: EngineView };
}

export type MethodName = keyof Methods;

/** Messages larger than this are refused by both sides. */
export const MESSAGE_LIMIT = 4 * 1024 * 1024;

export const ERROR_TRAILER = 'weft-error-bin';

/** The service, and every message of its package by name. */
export function loadApi(): { Weft: ServiceClientConstructor; messages: GrpcObject } {
  const path = fileURLToPath(new URL('proto/weft/v1/weft.proto', import.meta.url));
  const loaded = loadPackageDefinition(loadSync(path, OPTIONS)) as unknown as {
    weft: { v1: GrpcObject & { Weft: ServiceClientConstructor } };
  };
  return { Weft: loaded.weft.v1.Weft, messages: loaded.weft.v1 };
}
