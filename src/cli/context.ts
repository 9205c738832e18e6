/** What every command shares: the daemon's client, the output format, the tenant that is meant. */
import type { Command } from 'commander';
import { WeftError } from '../model/errors.ts';
import type { WeftClient } from '../api/client.ts';
import type { Format } from './output.ts';

export const DEFAULT_TENANT = 'default';

export interface GlobalOptions {
  output: Format;
  socket: string;
}

export interface Scope {
  /** undefined: all tenants */
  tenant: string | undefined;
}

/** Loads gRPC only when a command talks to the daemon. */
export async function withClient<T>(
  command: Command,
  work: (client: WeftClient) => Promise<T>,
  options: { deadline?: number } = {},
): Promise<T> {
  const { connect } = await import('../api/client.ts');
  const client = connect({ socketPath: globals(command).socket, ...options });
  try {
    return await work(client);
  } finally {
    client.close();
  }
}

export function globals(command: Command): GlobalOptions {
  return command.optsWithGlobals<GlobalOptions>();
}

/** An empty name never means "all": an unset variable of a script must not widen what the script asks for. */
export function defaultTenant(given?: string): string {
  if (given === '') throw usage('--tenant: is empty');
  const { WEFT_TENANT } = process.env;
  return given ?? (WEFT_TENANT === undefined || WEFT_TENANT === '' ? DEFAULT_TENANT : WEFT_TENANT);
}

/** "web" is a network of the tenant that is meant; "acme/web" and ids stand for themselves. */
export function networkRef(ref: string, tenant?: string): string {
  return ref.includes('/') || isId(ref) ? ref : `${defaultTenant(tenant)}/${ref}`;
}

/** An endpoint has no meaning without its network: NETWORK/ENDPOINT or TENANT/NETWORK/ENDPOINT, or an id. */
export function endpointRef(ref: string, tenant?: string): string {
  const parts = ref.split('/').length;
  if (parts === 1 && !isId(ref)) throw usage(`"${ref}" names no network: give TENANT/NETWORK/ENDPOINT or an id`);
  return parts === 2 ? `${defaultTenant(tenant)}/${ref}` : ref;
}

/** ULIDs in Crockford's base 32, or at least a beginning that no name is likely to be. */
function isId(ref: string): boolean {
  return /^[0-9A-HJKMNP-TV-Z]{8,26}$/i.test(ref) && /^0/.test(ref);
}

export function usage(message: string, next = 'weft --help'): WeftError {
  return new WeftError('invalid-argument', message, { next });
}

export function collect(value: string, before: string[]): string[] {
  return [...before, value];
}
