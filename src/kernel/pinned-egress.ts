/**
 * Pinned egress as nftables. Where a tenant's packets leave by another host, what containers begin is marked, so that it is
 * routed there; answers to what came in here go back as they came. This host's connection tracking sees one direction of
 * such a connection only, so nothing is asked of it but whether a packet is an answer. Where they leave, the host's namespace
 * gives them the pinned address, and takes nothing at it that is no answer.
 */
import { addressHex, commented, counter, hostInteger, keyField, match, rule, verdict } from 'netlink-ts';
import type { Chain, Expression, Rule } from 'netlink-ts';
import { PINNED_MARK } from '../plan/routing/pinned.ts';
import type { HostUplink, TenantOut } from '../plan/routing/intents.ts';
import { exceptionRules } from './borders.ts';
import { NFPROTO } from './families.ts';
import { matchPrefix } from './interface-names.ts';

type Elsewhere = NonNullable<TenantOut['elsewhere']>;

/** iptables' mangle table: after connection tracking, before routing */
const MANGLE = -150;
const FILTER = 0;
const INSIDE = [keyField.from('meta iifname')];
/** neighbour solicitation, and the answer */
const NEIGHBOUR_DISCOVERY = [135, 136];

export function elsewhereChains({ families }: Elsewhere, { allow }: TenantOut): Chain[] {
  const inside = match.inSet('inside', INSIDE);
  return [
    {
      name: 'pinned',
      base: { type: 'filter', hook: 'prerouting', priority: MANGLE, policy: 'accept' },
      rules: [
        rule(isAnswer(), verdict.accept()),
        ...families.map((family) => rule(inside, match.nfproto(NFPROTO[family]), mark())),
      ],
    },
    { name: 'elsewhere', rules: [...exceptionRules(allow), rule(verdict.jump('borders')), rule(verdict.accept())] },
  ];
}

/** Of the chain `forward`. */
export function elsewhereRules({ link }: Elsewhere): Rule[] {
  return [rule(match.oifname(link), match.inSet('inside', INSIDE), verdict.jump('elsewhere'))];
}

/** Of the chain `leave`, behind what lets answers pass: what had to go elsewhere and could not. */
export function stayRules({ families }: Elsewhere): Rule[] {
  return families.map((family) =>
    commented('leaves by another host', rule(match.nfproto(NFPROTO[family]), counter(), verdict.drop())),
  );
}

/** In the host's namespace, before others are given the host's own address. */
export function pinnedTranslations(uplinks: readonly HostUplink[], uplinkPrefix: string): Rule[] {
  return pairsOf(uplinks).map(({ from, to }) =>
    rule(match.saddr(from), matchPrefix('oifname', uplinkPrefix, 'neq'), [
      { kind: 'immediate', register: 0, data: addressHex(to) },
      { kind: 'nat', type: 'snat', family: to.includes(':') ? 'ip6' : 'ip', address: 0 },
    ]),
  );
}

/** An answer has another address by the time it is judged here: what still has this one was begun by others. */
export function pinnedInput(uplinks: readonly HostUplink[]): Chain[] {
  const pairs = pairsOf(uplinks);
  if (pairs.length === 0) return [];
  return [
    {
      name: 'pinned',
      base: { type: 'filter', hook: 'input', priority: FILTER, policy: 'accept' },
      rules: [
        ...(pairs.some(({ to }) => to.includes(':')) ? neighbourDiscovery() : []),
        ...pairs.map(({ to }) => commented('pinned: answers only', rule(match.daddr(to), counter(), verdict.drop()))),
      ],
    },
  ];
}

/** Without which a host has no neighbours, and is none. */
export function neighbourDiscovery(): Rule[] {
  return NEIGHBOUR_DISCOVERY.map((type) => rule(match.icmpv6Type(type), verdict.accept()));
}

function pairsOf(uplinks: readonly HostUplink[]) {
  return uplinks.flatMap(({ pinned = [] }) => pinned).sort((a, b) => (a.to < b.to ? -1 : 1));
}

/** What connection tracking calls invalid has no direction: the rule ends there, and it is marked. */
function isAnswer(): Expression[] {
  return [
    { kind: 'ct', key: 'direction', register: 0 },
    { kind: 'cmp', op: 'eq', register: 0, data: '01' },
  ];
}

function mark(): Expression[] {
  return [
    { kind: 'immediate', register: 0, data: hostInteger(PINNED_MARK) },
    { kind: 'meta set', key: 'mark', source: 0 },
  ];
}
