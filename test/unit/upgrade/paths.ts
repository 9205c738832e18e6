/** Maps whose keys are users' own. */
const FREE = new Set(['labels']);

/** Every field within a value, by its path and type: "subnets[].cidr string". */
export function pathsIn(value: unknown, path = ''): string[] {
  if (Array.isArray(value)) return [`${path}[]`, ...value.flatMap((item) => pathsIn(item, `${path}[]`))];
  if (typeof value !== 'object' || value === null) return value === null ? [] : [`${path} ${typeof value}`];
  if (FREE.has(path.split('.').at(-1) ?? '')) return [`${path} map`];
  return Object.entries(value).flatMap(([key, inner]) => pathsIn(inner, path === '' ? key : `${path}.${key}`));
}
