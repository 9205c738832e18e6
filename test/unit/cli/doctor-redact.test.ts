/** No secret gets into a support bundle, wherever in it one may be. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { redact, REDACTED } from '../../../src/cli/doctor-redact.ts';

const SECRET = 'hunter2-hunter2';

/** Where a secret may hide: in a field, or in a text. */
const hiding = fc.constantFrom<unknown>(
  { password: SECRET },
  { secret: { deep: SECRET } },
  { adminToken: SECRET },
  { api_key: SECRET },
  { labels: { 'traefik.auth': SECRET } },
  { credentials: [SECRET] },
  `https://user:${SECRET}@etcd:2379/x`,
  `-----BEGIN PRIVATE KEY-----\n${SECRET}\n-----END PRIVATE KEY-----`,
  `-----BEGIN EC PRIVATE KEY-----\n${SECRET}`,
  `weft1.${SECRET}`,
);
const field = fc.constantFrom('name', 'evidence', 'nodes', 'engine');

it('takes secrets out of any depth, and leaves the rest as it is', () => {
  const nested = fc.letrec((tie) => ({
    value: fc.oneof({ maxDepth: 4 }, hiding, tie('list'), tie('object')),
    list: fc.tuple(fc.constant('kept'), tie('value')),
    object: fc.tuple(field, tie('value')).map(([name, value]) => ({ [name]: value, kept: 1 })),
  })).value;
  fc.assert(
    fc.property(nested, (value) => {
      expect(JSON.stringify(redact(value))).not.toContain(SECRET);
    }),
  );
});

it('keeps what helps', () => {
  const endpoint = { name: 'db', addresses: ['10.1.2.3/16'], labels: { app: 'db' }, published: true, note: null };
  expect(redact({ endpoints: [endpoint], revision: 7 })).toEqual({
    endpoints: [{ ...endpoint, labels: { app: REDACTED } }],
    revision: 7,
  });
});
