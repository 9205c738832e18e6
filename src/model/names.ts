import { ulid } from 'ulid';

/** design.md section 1: tenants, networks and endpoints. No dot, so that `tenant.network` is never ambiguous. */
export const NAME_PATTERN = /^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/;

export function isName(text: string): boolean {
  return NAME_PATTERN.test(text);
}

/** Upper case, 26 characters; sorts by the time it was made. */
export function newId(): string {
  return ulid();
}

/** Digits and lower-case letters without those that are easily mistaken (RFC 4648 would allow upper case only). */
const BASE32 = '0123456789abcdefghjkmnpqrstvwxyz';

/** FNV-1a over UTF-16 code units, 64 bits: names of links and MAC bytes need spread, not secrecy. */
export function hash64(text: string): bigint {
  let hash = 0xcbf29ce484222325n;
  for (let i = 0; i < text.length; i++) {
    hash ^= BigInt(text.charCodeAt(i));
    hash = (hash * 0x100000001b3n) & 0xffffffffffffffffn;
  }
  return hash;
}

/** 12 base-32 characters of a hash: 60 bits, so a host with 10,000 endpoints meets a clash once in 10^10 hosts. */
export function shortHash(id: string): string {
  let rest = hash64(id);
  let text = '';
  for (let i = 0; i < 12; i++) {
    text += BASE32.charAt(Number(rest & 31n));
    rest >>= 5n;
  }
  return text;
}

/** Kernel names, at most 15 characters (IFNAMSIZ less the final zero). */
export const linkNames = {
  bridge: (vni: number) => `wb${vni}`,
  vxlan: (vni: number) => `wx${vni}`,
  /** the way to the node that leads a tenant's packets out */
  relay: (vni: number) => `wt${vni}`,
  /** the bridge port */
  port: (endpoint: string) => `we${shortHash(endpoint)}`,
  /** the end handed to the container or its engine */
  container: (endpoint: string) => `wc${shortHash(endpoint)}`,
  /** the end of a tenant's uplink in the host's namespace */
  uplink: (tenant: string) => `wu${shortHash(tenant)}`,
} as const;
