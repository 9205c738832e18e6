/** What may come in: lengths, counts and shapes, each failure with the path of its field. Meaning is control's to check. */
import { z } from 'zod';
import { WeftError } from '../model/errors.ts';
import type { MethodName, Methods, StreamName, Streams } from './definition.ts';

const text = z.string().max(512);
const required = text.min(1, 'is missing');
/** a signing request for a key on P-256 takes half of it */
const pem = z.string().min(1, 'is missing').max(4_096);
const reference = z.object({ ref: required });
const labels = z
  .record(z.string().min(1).max(128), z.string().max(1_024))
  .refine((map) => Object.keys(map).length <= 64, 'more than 64 labels');
const selectors = z.array(required).max(64);
const list = z.object({
  tenant: text,
  network: text,
  node: text,
  labels: selectors,
  state: text,
  container: text,
  project: text,
  pageSize: z.number().int().min(0),
  pageToken: z.string().max(2_048),
});
const revision = z.number().int().min(0);
const ranges = z.array(required).max(1_024);
const subnet = z.object({ cidr: required, gateway: text, reserved: z.array(text).max(1_024) });

const sharing = z.object({ network: required, address: required, endpoints: z.array(required).max(64) });

const SCHEMAS: { [M in MethodName]: z.ZodType<Methods[M]['request']> } = {
  GetStatus: z.object({}),
  CreateTenant: z.object({ name: required }),
  ListTenants: list,
  GetTenant: reference,
  DeleteTenant: reference,
  CreateNetwork: z
    .object({
      tenant: required,
      name: required,
      subnets: z.array(subnet).max(16),
      internal: z.boolean(),
      mtu: z.number().int().min(0).max(65_535),
      labels,
    })
    .transform(({ mtu, ...rest }) => (mtu === 0 ? rest : { ...rest, mtu })),
  ListNetworks: list,
  GetNetwork: reference,
  UpdateNetwork: reference.extend({ revision, labels, reserve: ranges, unreserve: ranges }),
  ExtendNetwork: reference.extend({ revision, subnet }),
  DeleteNetwork: reference.extend({ force: z.boolean() }),
  AdoptNetwork: reference,
  AttachEndpoint: z
    .object({
      network: required,
      netns: required.max(4_096),
      addresses: z.array(text).max(8),
      name: text,
      labels,
      publish: z.array(required).max(1_024),
    })
    .transform(({ name, ...rest }) => (name === '' ? rest : { ...rest, name })),
  DetachEndpoint: reference,
  ListEndpoints: list,
  GetEndpoint: reference,
  UpdateEndpoint: reference.extend({ revision, labels }),
  ListNodes: list,
  ForgetNode: reference.extend({ force: z.boolean() }),
  RotateCertificates: z.object({}),
  CreateToken: z.object({ ttlSeconds: z.number().int(), uses: z.number().int() }),
  ListTokens: z.object({}),
  DeleteToken: reference,
  Join: z.object({ tokenId: required, secret: required, name: required, nodeCsr: pem, clientCsr: pem }),
  Renew: z.object({ nodeCsr: pem, clientCsr: pem }),
  ResumeStore: z.object({ force: z.boolean() }),
  SplitSpace: z.object({ network: required, pool: required, address: text, range: text }),
  Hint: z.object({
    sequence: revision,
    put: z.array(z.object({ key: required, value: z.string().max(64 * 1024) })).max(256),
    delete: z.array(required).max(256),
    bootId: text,
  }),
  PointToStore: z.object({ endpoints: z.array(required.max(256)).max(16) }),
  Examine: z.object({ audit: z.boolean() }),
  SeenProbes: z.object({}),
  ExamineNode: z.object({ audit: z.boolean() }),
  GetEgress: reference,
  SetEgress: z.object({
    ...{ tenant: required, off: z.boolean(), ipv6: text, allow: ranges },
    ...{ nodes: ranges, addresses: z.array(required).max(8) },
  }),
  CreateRouter: z.object({ tenant: required, name: required, networks: z.array(required).max(1_024) }),
  ListRouters: list,
  GetRouter: reference,
  DeleteRouter: reference,
  ListPorts: list,
  ExplainPort: z.object({ port: z.number().int().min(1).max(65_535), protocol: required, node: text }),
  ShareAddress: sharing,
  UnshareAddress: sharing,
  MoveAddress: z.object({ network: required, address: required, endpoint: required }),
  ListSharedAddresses: list,
  ListEngines: z.object({ node: text }),
  SyncEngine: z.object({ network: text }),
};

const STREAM_SCHEMAS: { [M in StreamName]: z.ZodType<Streams[M]['request']> } = {
  Watch: z.object({
    kinds: z.array(required).max(8),
    tenant: text,
    network: text,
    node: text,
    labels: selectors,
  }),
};

/** Throws `invalid-argument`, its message beginning with the field: "subnets[0].cidr: is missing". */
export function parseRequest<M extends MethodName>(method: M, request: unknown): Methods[M]['request'] {
  return parse(SCHEMAS[method], request);
}

export function parseStreamRequest<M extends StreamName>(method: M, request: unknown): Streams[M]['request'] {
  return parse(STREAM_SCHEMAS[method], request);
}

function parse<T>(schema: z.ZodType<T>, request: unknown): T {
  const result = schema.safeParse(request);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const path = (issue?.path ?? []).reduce<string>(
    (left, part) => (typeof part === 'number' ? `${left}[${part}]` : `${left}${left ? '.' : ''}${String(part)}`),
    '',
  );
  throw new WeftError('invalid-argument', `${path}: ${issue?.message ?? 'does not fit'}`, { object: path });
}
