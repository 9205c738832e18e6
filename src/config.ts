/**
 * The daemon's configuration: /etc/weft/weft.yaml, over it WEFT_* variables, over them flags; one schema, one frozen
 * object. WEFT_UNDERLAY_ADDRESS sets `underlay.address`: the path in upper case, parts joined by "_".
 */
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { closest } from 'fastest-levenshtein';
import { parse } from 'yaml';
import { z } from 'zod';
import { parseAddress } from './model/address/address.ts';
import { describeCause, WeftError } from './model/errors.ts';
import { NAME_PATTERN } from './model/names.ts';

const absolute = z.string().startsWith('/', 'must be an absolute path');
const flag = z.union([z.boolean(), z.enum(['true', 'false']).transform((text) => text === 'true')]);

const wholeNumber = (least: number, most: number) =>
  z.union([z.number(), z.string().regex(/^\d+$/).transform(Number)]).pipe(z.number().int().min(least).max(most));
const portNumber = wholeNumber(1, 65_535);

const schema = z.strictObject({
  node: z
    .strictObject({
      name: z.string().regex(NAME_PATTERN, 'must be 1 to 32 of a-z, 0-9 and -').default(defaultName),
    })
    .prefault({}),
  underlay: z
    .strictObject({
      address: z
        .string()
        .refine((text) => parseAddress(text) !== undefined, 'must be an IP address')
        .optional(),
      interface: z.string().min(1).max(15).optional(),
      family: z
        .union([z.literal(4), z.literal(6), z.enum(['4', '6']).transform((text) => (text === '4' ? 4 : 6))])
        .optional(),
    })
    .prefault({}),
  store: z
    .strictObject({
      mode: z.enum(['managed', 'external']).default('managed'),
      endpoints: z.array(z.url({ protocol: /^https$/, error: 'must be an https:// address' })).default([]),
      binary: absolute.default('/usr/bin/etcd'),
      quota: wholeNumber(64, 8_192).default(2_048),
      snapshots: wholeNumber(0, 365).default(7),
    })
    .prefault({})
    .refine((store) => store.mode === 'managed' || store.endpoints.length > 0, {
      path: ['endpoints'],
      message: 'must name at least one endpoint when store.mode is external',
    }),
  api: z.strictObject({ port: portNumber.default(7781) }).prefault({}),
  pki: absolute.default('/var/lib/weft/pki'),
  state: absolute.default('/var/lib/weft'),
  run: absolute.default('/run/weft'),
  docker: z
    .strictObject({
      enabled: flag.default(true),
      socket: absolute.default('/run/docker/plugins/weft.sock'),
      api: absolute.default('/run/docker.sock'),
      ipamOnly: flag.default(false),
    })
    .prefault({}),
  metrics: z
    .strictObject({
      enabled: flag.default(true),
      port: portNumber.default(7782),
    })
    .prefault({}),
  log: z.strictObject({ level: z.enum(['trace', 'debug', 'info', 'warn', 'error']).default('info') }).prefault({}),
});

export type Config = Readonly<z.infer<typeof schema>>;

export const DEFAULT_FILE = '/etc/weft/weft.yaml';

export interface ConfigSources {
  /** a missing file is an empty one unless it was named by a flag */
  file: { path: string; required: boolean };
  environment: NodeJS.ProcessEnv;
  /** "log.level" -> "debug" */
  flags: Record<string, string>;
}

export async function loadConfig(sources: ConfigSources): Promise<Config> {
  const merged = await readYaml(sources.file);
  refuseUnknownVariables(sources.environment);
  for (const path of settingPaths()) {
    const value = sources.environment[variableOf(path)];
    if (value !== undefined) set(merged, path, value);
  }
  for (const [path, value] of Object.entries(sources.flags)) set(merged, path.split('.'), value);
  const result = schema.safeParse(merged);
  if (result.success) return deepFreeze(result.data);
  const issue = result.error.issues[0];
  const field = issue ? fieldOf(issue) : '';
  throw new WeftError(
    'configuration-invalid',
    `${field || sources.file.path}: ${issue?.message ?? 'does not fit the schema'}`,
    {
      object: field,
    },
  );
}

/** The path of the setting that is wrong; an unknown one is itself the culprit, not the group it stands in. */
function fieldOf(issue: z.core.$ZodIssue): string {
  const unknown = issue.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : [];
  return [...issue.path, ...unknown].join('.');
}

/** The path of every setting of the schema; `store.endpoints` is a comma-separated list in the environment. */
export function settingPaths(): string[][] {
  return Object.entries(schema.shape).flatMap(([name, part]) => {
    const group = part instanceof z.ZodPrefault ? part.unwrap() : part;
    return group instanceof z.ZodObject ? Object.keys(group.shape).map((inner) => [name, inner]) : [[name]];
  });
}

/** Read by `weft`, by labs or by tests: they may stand in the environment of a daemon, and mean nothing to it. */
const NOT_SETTINGS = [
  ...['WEFT_TENANT', 'WEFT_SOCKET', 'WEFT_HOST', 'WEFT_OUTPUT', 'WEFT_COLOR'],
  ...['WEFT_LAB', 'WEFT_TEST', 'WEFT_LONG', 'WEFT_FAILPOINTS', 'WEFT_LEVEL', 'WEFT_SEED'],
];

function variableOf(path: string[]): string {
  return `WEFT_${path.join('_').toUpperCase()}`;
}

/** A misspelt variable would otherwise leave its setting at the default, and nobody would know. */
function refuseUnknownVariables(environment: NodeJS.ProcessEnv): void {
  const known = settingPaths().map(variableOf);
  for (const name of Object.keys(environment)) {
    if (!name.startsWith('WEFT_') || known.includes(name) || NOT_SETTINGS.includes(name)) continue;
    throw new WeftError('configuration-invalid', `${name}: no setting has this variable`, {
      object: name,
      next: `unset ${name}; did you mean ${closest(name, known)}?`,
    });
  }
}

async function readYaml(file: { path: string; required: boolean }): Promise<Record<string, unknown>> {
  let text: string;
  try {
    text = await readFile(file.path, 'utf8');
  } catch (error) {
    if (!file.required && (error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw new WeftError('configuration-invalid', `${file.path}: ${describeCause(error)}`, { object: file.path });
  }
  try {
    const value: unknown = parse(text) ?? {};
    if (typeof value === 'object' && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch (error) {
    throw new WeftError('configuration-invalid', `${file.path}: ${describeCause(error)}`, { object: file.path });
  }
  throw new WeftError('configuration-invalid', `${file.path}: is not a map of settings`, { object: file.path });
}

function set(target: Record<string, unknown>, path: string[], text: string): void {
  const parents = path.slice(0, -1);
  let at = target;
  for (const name of parents) {
    const inner = at[name];
    const next = typeof inner === 'object' && inner !== null ? { ...(inner as Record<string, unknown>) } : {};
    at[name] = next;
    at = next;
  }
  at[path.at(-1) ?? ''] = path.join('.') === 'store.endpoints' ? listOf(text) : text;
}

function listOf(text: string): string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

/** The host's name as far as it is a name of ours. */
export function defaultName(): string {
  const name =
    hostname()
      .split('.')[0]
      ?.toLowerCase()
      .replaceAll(/[^a-z0-9-]/g, '-') ?? '';
  return name.slice(0, 32).replaceAll(/^-+|-+$/g, '') || 'node';
}

function deepFreeze<T extends object>(value: T): T {
  for (const inner of Object.values(value) as unknown[]) {
    if (typeof inner === 'object' && inner !== null) deepFreeze(inner);
  }
  return Object.freeze(value);
}
