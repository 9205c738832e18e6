/** What must not leave a host in a support bundle, whatever it hides in. Pure. */

export const REDACTED = '(redacted)';

/** Fields whose values are secrets by their names. */
const SECRET = /secret|token|passw|credential|private|apikey|api[-_]key|authorization/i;
/** Users put what they like into labels of containers, passwords of proxies among it: their keys say enough. */
const LABELS = 'labels';
const PEM = /-----BEGIN [A-Z ]+-----[\s\S]*?(?:-----END [A-Z ]+-----|$)/g;
/** "https://user:password@host" */
const USER_INFO = /(\b[a-z][a-z0-9+.-]*:\/\/)[^/@\s]+@/gi;
/** of weft: "weft1." and what follows */
const TOKEN = /\bweft\d+\.[A-Za-z0-9._-]+/g;

/** The same shape without the secrets. */
export function redact(value: unknown, field = ''): unknown {
  if (SECRET.test(field) && value !== null && typeof value !== 'number' && typeof value !== 'boolean') return REDACTED;
  if (typeof value === 'string') {
    return value.replace(PEM, REDACTED).replace(USER_INFO, `$1${REDACTED}@`).replace(TOKEN, REDACTED);
  }
  if (Array.isArray(value)) return value.map((item) => redact(item, field));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value);
  if (field === LABELS) return Object.fromEntries(entries.map(([key]) => [key, REDACTED]));
  return Object.fromEntries(entries.map(([key, inner]) => [key, redact(inner, key)]));
}
