/**
 * The way out in the host's namespace, as nftables: what tenants' uplinks may reach, and whose address their packets get.
 * An accept here undoes no drop of others; a drop here holds whatever others accept. That is why what goes TO an uplink is
 * judged too: the rules that let it through a foreign chain (foreign-forward.ts) would open the tenants to the host's neighbours.
 */
import { commented, counter, keyField, match, rule, sortElements, verdict } from 'netlink-ts';
import type { Chain, Expression, NftSet, Rule, SetElement } from 'netlink-ts';
import type { HostEgress, HostUplink } from '../plan/routing/intents.ts';
import { borderSets, exceptionRules } from './borders.ts';
import { matchName, matchPrefix, nameHex } from './interface-names.ts';
import { neighbourDiscovery, pinnedInput, pinnedTranslations } from './pinned-egress.ts';
import { hostPortMaps } from './port-maps.ts';
import { matchRange } from './ranges.ts';
import { bordersChain } from './tenant-routing.ts';

/** Every uplink's end in the host's namespace begins so. */
export const UPLINKS = 'wu';

const FILTER = 0;
const SOURCE_NAT = 100;
const IIFNAME = [keyField.from('meta iifname')];

export function hostEgress(intent: HostEgress): { sets: NftSet[]; chains: Chain[] } {
  const open = intent.uplinks.filter(({ closed, allow }) => !closed && allow.length > 0);
  const shut = intent.uplinks.filter(({ closed }) => closed);
  const ports = intent.ports ? hostPortMaps(intent.ports.forwards) : { sets: [], chains: [] };
  return {
    sets: [...borderSets(intent.borders), exceptionMap(open, shut), ...ports.sets],
    chains: [
      bordersChain(),
      ...open.map(({ link, allow }) => ({ name: chainOf(link), rules: exceptionRules(allow) })),
      fromUplinks(intent),
      toUplinks(intent),
      uplinksChain(),
      daemonsChain(),
      ...pinnedInput(intent.uplinks),
      sourceNat(intent),
      ...ports.chains,
    ],
  };
}

const known = () => match.ctState('established', 'related');

/** `shut`: of tenants without a way out, whose containers answer and begin nothing. */
function exceptionMap(open: HostUplink[], shut: HostUplink[]): NftSet {
  const elements: SetElement[] = [
    ...open.map(({ link }) => ({ key: nameHex(link), value: { verdict: 'jump', chain: chainOf(link) } as const })),
    ...shut.map(({ link }) => ({ key: nameHex(link), value: { verdict: 'drop' } as const })),
  ];
  return { name: 'exceptions', key: IIFNAME, flags: ['map'], data: 'verdict', elements: sortElements(elements) };
}

function chainOf(link: string): string {
  return `allow-${link}`;
}

/** Kinds of the links behind which other engines and hypervisors of the host keep what is theirs. */
const INNER_KINDS = ['bridge', 'veth'];

/** A container that asks for a published port of its host goes from one uplink to another, or back by its own. */
function published(): Rule {
  return commented('published ports', rule(matchPrefix('oifname', UPLINKS), match.ctStatus('dnat'), verdict.accept()));
}

function fromUplinks({ underlay, ports }: HostEgress): Chain {
  return {
    name: 'from-uplinks',
    rules: [
      rule(known(), verdict.accept()),
      rule(match.verdictOf('exceptions', IIFNAME)),
      ...(ports ? [published()] : []),
      commented('another tenant', rule(matchPrefix('oifname', UPLINKS), counter(), verdict.drop())),
      // An accept in a foreign chain would lead to them as well. The way to the world may be a bridge too.
      ...(underlay === undefined ? [] : INNER_KINDS).map((kind) =>
        commented(
          'networks of others on this host',
          rule(matchName('oifkind', kind), matchName('oifname', underlay ?? '', 'neq'), counter(), verdict.drop()),
        ),
      ),
      rule(verdict.jump('borders')),
      rule(verdict.accept()),
    ],
  };
}

function toUplinks({ ports }: HostEgress): Chain {
  return {
    name: 'to-uplinks',
    rules: [
      rule(known(), verdict.accept()),
      ...(ports ? [published()] : []),
      commented('nothing of a tenant was asked for', rule(counter(), verdict.drop())),
    ],
  };
}

function uplinksChain(): Chain {
  return {
    name: 'uplinks',
    base: { type: 'filter', hook: 'forward', priority: FILTER, policy: 'accept' },
    rules: [
      rule(matchPrefix('iifname', UPLINKS), verdict.goto('from-uplinks')),
      rule(matchPrefix('oifname', UPLINKS), verdict.goto('to-uplinks')),
    ],
  };
}

/** The host's own daemons, whatever address of the host is asked for. */
function daemonsChain(): Chain {
  return {
    name: 'daemons',
    base: { type: 'filter', hook: 'input', priority: FILTER, policy: 'accept' },
    rules: [
      rule(matchPrefix('iifname', UPLINKS, 'neq'), verdict.accept()),
      rule(known(), verdict.accept()),
      ...neighbourDiscovery(),
      rule(match.verdictOf('exceptions', IIFNAME)),
      commented('daemons of the host', rule(counter(), verdict.drop())),
    ],
  };
}

/**
 * By source, since kernels before 5.7 do not know in postrouting where a packet came from. To an uplink goes a container that
 * asks for a published port of its host: its tenant's own end would not take its own address as a source. Loopback addresses
 * mean something else on the other side, and so do those of the tenant's own subnets.
 */
function sourceNat({ transit4, transit6, uplinks, ports }: HostEgress): Chain {
  const masquerade: Expression = { kind: 'masquerade' };
  const hidden = ports?.hidden.flatMap(({ link, ranges }) =>
    ['127.0.0.0/8', ...ranges].map((range) => rule(matchRange('saddr', range), matchName('oifname', link), masquerade)),
  );
  return {
    name: 'postrouting',
    base: { type: 'nat', hook: 'postrouting', priority: SOURCE_NAT, policy: 'accept' },
    rules: [
      ...pinnedTranslations(uplinks, UPLINKS),
      ...[transit4, transit6].map((range) => rule(matchRange('saddr', range), masquerade)),
      ...(hidden ?? []),
    ],
  };
}
