/** What may come in: lengths, counts and shapes, each failure with the path of its field. Meaning is control's to check. */
import { z } from 'zod';
import { WeftError } from '../model/errors.ts';
import type { MethodName, Methods } from './definition.ts';

const text = z.string().max(512);
const required = text.min(1, 'is missing');
const reference = z.object({ ref: required });
const list = z.object({ tenant: text, network: text, node: text });
const subnet = z.object({ cidr: required, gateway: text, reserved: z.array(text).max(1_024) });

const SCHEMAS: { [M in MethodName]: z.ZodType<Methods[M]['request']> } = {
  GetStatus: z.object({}),
  CreateTenant: z.object({ name: required }),
  ListTenants: z.object({}),
  GetTenant: reference,
  DeleteTenant: reference,
  CreateNetwork: z
    .object({
      tenant: required,
      name: required,
      subnets: z.array(subnet).max(16),
      internal: z.boolean(),
      mtu: z.number().int().min(0).max(65_535),
    })
    .transform(({ mtu, ...rest }) => (mtu === 0 ? rest : { ...rest, mtu })),
  ListNetworks: list,
  GetNetwork: reference,
  DeleteNetwork: reference.extend({ force: z.boolean() }),
  AdoptNetwork: reference,
  AttachEndpoint: z
    .object({
      network: required,
      netns: required.max(4_096),
      addresses: z.array(text).max(8),
      name: text,
      labels: z
        .record(z.string().min(1).max(128), z.string().max(1_024))
        .refine((labels) => Object.keys(labels).length <= 64, 'more than 64 labels'),
    })
    .transform(({ name, ...rest }) => (name === '' ? rest : { ...rest, name })),
  DetachEndpoint: reference,
  ListEndpoints: list,
  GetEndpoint: reference,
  ListNodes: z.object({}),
  ListEngines: z.object({ node: text }),
  SyncEngine: z.object({ network: text }),
};

/** Throws `invalid-argument`, its message beginning with the field: "subnets[0].cidr: is missing". */
export function parseRequest<M extends MethodName>(method: M, request: unknown): Methods[M]['request'] {
  const result = SCHEMAS[method].safeParse(request);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const path = (issue?.path ?? []).reduce<string>(
    (left, part) => (typeof part === 'number' ? `${left}[${part}]` : `${left}${left ? '.' : ''}${String(part)}`),
    '',
  );
  throw new WeftError('invalid-argument', `${path}: ${issue?.message ?? 'does not fit'}`, { object: path });
}
