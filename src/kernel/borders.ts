/** The borders of a tenant as nftables: sets of what is guarded, and the rules that judge a packet by them. */
import { addressHex, commented, counter, keyField, match, rule, sortElements, verdict } from 'netlink-ts';
import type { Expression, NftSet, Rule } from 'netlink-ts';
import type { EgressException } from '../model/objects.ts';
import type { Borders } from '../plan/routing/intents.ts';
import { FAMILIES, NFPROTO } from './families.ts';
import { serviceRule, serviceSets } from './port-maps.ts';
import { matchRange, rangeElement } from './ranges.ts';

const DADDR = { 4: [keyField.from('ip daddr')], 6: [keyField.from('ip6 daddr')] };
const DNS = '0035';
/** of TCP, UDP and SCTP alike */
const DESTINATION_PORT: Expression = { kind: 'payload', base: 'transport', offset: 2, length: 2, register: 0 };

export function borderSets({ guarded, resolvers, published }: Borders): NftSet[] {
  const sets = FAMILIES.flatMap((family): NftSet[] => {
    const ofFamily = (text: string) => text.includes(':') === (family === 6);
    return [
      {
        name: `guarded${family}`,
        key: DADDR[family],
        flags: ['interval'],
        elements: sortElements(guarded.filter(ofFamily).map(rangeElement)),
      },
      {
        name: `resolvers${family}`,
        key: DADDR[family],
        flags: [],
        elements: sortElements(resolvers.filter(ofFamily).map((address) => ({ key: addressHex(address) }))),
      },
    ];
  });
  return [...sets, ...serviceSets(published)];
}

/** Ends in a drop for what is guarded; a packet that may pass is not judged further here. */
export function borderRules(): Rule[] {
  return FAMILIES.flatMap((family) => [
    ...(['udp', 'tcp'] as const).map((protocol) =>
      rule(
        match.nfproto(NFPROTO[family]),
        match.inSet(`resolvers${family}`, DADDR[family]),
        match.l4proto(protocol),
        port(DNS),
        verdict.return(),
      ),
    ),
    serviceRule(family),
    commented(
      'hosts of the cluster, metadata, transit',
      rule(match.nfproto(NFPROTO[family]), match.inSet(`guarded${family}`, DADDR[family]), counter(), verdict.drop()),
    ),
  ]);
}

/** One rule for each exception. */
export function exceptionRules(allow: readonly EgressException[]): Rule[] {
  return allow.map(({ cidr, service }) => {
    if (!service) return rule(matchRange('daddr', cidr), verdict.accept());
    const number = service.port.toString(16).padStart(4, '0');
    return rule(matchRange('daddr', cidr), match.l4proto(service.protocol), port(number), verdict.accept());
  });
}

function port(hex: string): Expression[] {
  return [DESTINATION_PORT, { kind: 'cmp', op: 'eq', register: 0, data: hex }];
}
