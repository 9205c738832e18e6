/**
 * What one address of a container may have open to the outside. Every connection that leaves by the uplink is tracked twice, in
 * the tenant's namespace and in the host's, and the host's table is one for all its tenants: who fills it stops their new
 * connections. So an address begins so many a second, and has so many at a time.
 *
 * - The rate comes first and is what keeps the count cheap: the kernel walks the list of an address' connections once a tick
 *   for a new one, and lets go of only a few that are over each time (nf_conncount).
 * - Closed TCP connections are not counted, although they are tracked for a while.
 * - What is dropped here was never confirmed, so it is in no table.
 * - The counts begin anew when the table is written as a whole.
 */
import { commented, keyField, loadKey, match, rule, verdict } from 'netlink-ts';
import type { Chain, Expression, NftSet, Rule } from 'netlink-ts';
import { FAMILIES, NFPROTO } from './families.ts';
import type { Family } from './families.ts';
import type { KernelFeatures } from './features.ts';
import { matchPrefix } from './interface-names.ts';

/** of an address of a container: a sixteenth of the table that the kernel gives a machine of 1 GB and more */
export const CONNECTIONS = 4_096;
/** a second */
const BEGUN = { rate: 1_000, burst: 2_000 };

const FILTER = 0;
const MINUTE = 60_000;
/** counted by address, which is another endpoint's one day */
const HOUR = 60 * MINUTE;
/** an endpoint has two or so, and a host has some thousands of endpoints */
const MOST_ADDRESSES = 65_535;
const SOURCE = { 4: [keyField.from('ip saddr')], 6: [keyField.from('ip6 saddr')] };

export function refusedSet(family: Family): string {
  return `refused${family}`;
}

/** Without counts the rate alone holds. Filled by packets; an element goes when nothing has touched it for as long, a count of connections with the last of them. */
export function ceilingSets({ counts }: KernelFeatures): NftSet[] {
  return FAMILIES.flatMap((family): NftSet[] => {
    const set = { key: SOURCE[family], size: MOST_ADDRESSES, elements: [] };
    return [
      { ...set, name: `begun${family}`, flags: ['timeout', 'dynamic'], timeout: MINUTE },
      ...(counts ? [{ ...set, name: `connections${family}`, flags: ['dynamic' as const] }] : []),
      { ...set, name: refusedSet(family), flags: ['timeout', 'dynamic'], timeout: HOUR },
    ];
  });
}

/** For the first packet of a connection; comes back for one that may begin. */
export function ceilingChains({ counts }: KernelFeatures): Chain[] {
  const limit: Expression = {
    kind: 'limit',
    type: 'packets',
    rate: BigInt(BEGUN.rate),
    per: 1,
    burst: BEGUN.burst,
    over: true,
  };
  const count: Expression = { kind: 'connection limit', count: CONNECTIONS, over: true };
  return [
    {
      name: 'ceilings',
      rules: FAMILIES.flatMap((family) => [
        rule(
          ...ofAddress(family, { operation: 'update', set: `begun${family}`, expression: limit }),
          verdict.goto('refused'),
        ),
        ...(counts
          ? [
              rule(
                ...ofAddress(family, { operation: 'add', set: `connections${family}`, expression: count }),
                verdict.goto('refused'),
              ),
            ]
          : []),
      ]),
    },
    {
      name: 'refused',
      rules: [
        ...FAMILIES.map((family) =>
          rule(...ofAddress(family, { operation: 'update', set: refusedSet(family), expression: { kind: 'counter' } })),
        ),
        commented('too many connections of one address', rule(verdict.drop())),
      ],
    },
    gatewayChain(),
  ];
}

export function ceilingRule(): Rule {
  return rule(verdict.jump('ceilings'));
}

/** What containers send to their gateway is tracked as well. */
function gatewayChain(): Chain {
  return {
    name: 'input',
    base: { type: 'filter', hook: 'input', priority: FILTER, policy: 'accept' },
    rules: [rule(matchPrefix('iifname', 'wb'), match.ctState('new'), verdict.jump('ceilings'))],
  };
}

/** Goes on when the expression does: a limit that is not exceeded ends the rule. */
function ofAddress(
  family: Family,
  { operation, set, expression }: { operation: 'add' | 'update'; set: string; expression: Expression },
): Expression[][] {
  const dynset: Expression = { kind: 'dynset', operation, set, register: 0, expressions: [expression] };
  return [match.nfproto(NFPROTO[family]), loadKey(SOURCE[family]), [dynset]];
}
