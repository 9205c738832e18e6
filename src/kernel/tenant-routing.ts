/**
 * What a tenant's namespace forwards, as nftables, behind the drop of forwarded VXLAN and before the policy, which drops:
 *
 *   chain forward                                    chain leave
 *     bridges that a router joins     accept           known to connection tracking   accept
 *     bridge -> up0                   jump leave       what connection tracking calls invalid   drop
 *     up0 -> answers, published ports accept           too many of one address (ceilings.ts)   drop
 *                                                      exceptions accept; what is guarded drop; the rest accept
 *
 * Routed packets come first and without state: each host routes what its own containers send, so it sees one direction of a
 * connection only. What is invalid must not leave: source NAT passes it by, and it would carry the container's address.
 */
import { commented, concatenate, counter, keyField, match, rule, sortElements, verdict } from 'netlink-ts';
import type { Chain, NftSet, Rule } from 'netlink-ts';
import type { TenantOut, TenantRouting } from '../plan/routing/intents.ts';
import { borderRules, borderSets, exceptionRules } from './borders.ts';
import { ceilingChains, ceilingRule, ceilingSets } from './ceilings.ts';
import type { KernelFeatures } from './features.ts';
import { nameHex } from './interface-names.ts';
import { elsewhereChains, elsewhereRules, stayRules } from './pinned-egress.ts';
import { tenantPortMaps } from './port-maps.ts';

const SOURCE_NAT = 100;
const IIFNAME = [keyField.from('meta iifname')];
const PAIR = [keyField.from('meta iifname'), keyField.from('meta oifname')];

/** Sets, chains beside `forward`, and rules of that chain. */
export interface RoutingTables {
  sets: NftSet[];
  chains: Chain[];
  forward: Rule[];
}

export function tenantRouting({ routed, out }: TenantRouting, features: KernelFeatures): RoutingTables {
  const joins = routed.length > 0;
  const pairs = routed.map(([from, to]) => ({ key: concatenate(PAIR, [nameHex(from), nameHex(to)]) }));
  const ports = out?.ports ? tenantPortMaps(out.ports, out.uplink) : { sets: [], chains: [] };
  const routedSet: NftSet = { name: 'routed', key: PAIR, flags: [], elements: sortElements(pairs) };
  return {
    sets: [...(joins ? [routedSet] : []), ...(out ? outSets(out, features) : []), ...ports.sets],
    chains: [...(out ? outChains(out, features) : []), ...ports.chains],
    forward: [...(joins ? [rule(match.inSet('routed', PAIR), verdict.accept())] : []), ...(out ? outRules(out) : [])],
  };
}

function outChains(out: TenantOut, features: KernelFeatures): Chain[] {
  const own = out.closed ? [] : ceilingChains(features);
  return [bordersChain(), ...own, leaveChain(out), sourceNat(out), ...pinnedChains(out)];
}

function outSets({ closed, bridges, borders }: TenantOut, features: KernelFeatures): NftSet[] {
  const elements = sortElements(bridges.map((name) => ({ key: nameHex(name) })));
  return [
    { name: 'inside', key: IIFNAME, flags: [], elements },
    ...borderSets(borders),
    ...(closed ? [] : ceilingSets(features)),
  ];
}

function pinnedChains(out: TenantOut): Chain[] {
  return out.elsewhere ? elsewhereChains(out.elsewhere, out) : [];
}

function outRules({ uplink, elsewhere, ports }: TenantOut): Rule[] {
  return [
    ...(elsewhere ? elsewhereRules(elsewhere) : []),
    rule(match.oifname(uplink), match.inSet('inside', IIFNAME), verdict.jump('leave')),
    rule(match.iifname(uplink), match.ctState('established', 'related'), verdict.accept()),
    ...(ports
      ? [commented('published ports', rule(match.iifname(uplink), match.ctStatus('dnat'), verdict.accept()))]
      : []),
  ];
}

function leaveChain({ closed, allow, elsewhere }: TenantOut): Chain {
  const known = rule(match.ctState('established', 'related'), verdict.accept());
  if (closed) return { name: 'leave', rules: [known, commented('no way out', rule(counter(), verdict.drop()))] };
  return {
    name: 'leave',
    rules: [
      known,
      rule(match.ctState('invalid'), counter(), verdict.drop()),
      ...(elsewhere ? stayRules(elsewhere) : []),
      ceilingRule(),
      ...exceptionRules(allow),
      rule(verdict.jump('borders')),
      rule(verdict.accept()),
    ],
  };
}

function sourceNat({ uplink, nat6 }: TenantOut): Chain {
  const family = nat6 ? [] : match.nfproto('ipv4');
  return {
    name: 'postrouting',
    base: { type: 'nat', hook: 'postrouting', priority: SOURCE_NAT, policy: 'accept' },
    rules: [rule(family, match.oifname(uplink), { kind: 'masquerade' })],
  };
}

export function bordersChain(): Chain {
  return { name: 'borders', rules: borderRules() };
}
