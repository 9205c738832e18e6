/**
 * IPv6 from an endpoint. Its kernel would walk extension headers to whatever they lead to, and put fragments together;
 * the guard does neither, so it takes the few forms in which it sees what is inside:
 * - no extension header;
 * - a fragment header, and behind it the upper protocol (in later fragments that is out of sight, but they are nothing
 *   without the first); neighbour discovery is never fragmented (RFC 6980);
 * - a hop-by-hop header before a report of group membership, which RFC 2710 and 3810 want there.
 * Neighbour discovery messages have at most one option, that with the link-layer address: anything longer could say one
 * thing to the guard and another to the receiver.
 */
import { rule, verdict } from 'netlink-ts';
import type { Chain, Rule } from 'netlink-ts';
import { drop } from './chains.ts';
import { icmpv6, ip6, own, ownMac, transportIs } from './frame.ts';
import type { Field } from './frame.ts';
import { SETS } from './sets.ts';

const ECHO_REPLY = 129;
const SOLICIT = 135;
/** IPv6 payload of the messages without options, with one, and where that begins */
const SOLICITATION = { bare: 24, whole: 32, option: 24 };
const ROUTER_SOLICITATION = { bare: 8, whole: 16, option: 8 };
const SOURCE_ADDRESS = 1;
const TARGET_ADDRESS = 2;
/** RFC 7527: tells a probe of one's own that comes back from another's */
const NONCE = 14;

export function ip6Chains(): Chain[] {
  return [
    {
      name: 'ip6-frames',
      rules: [
        rule(ip6.fromNobody(), verdict.goto('unspecified')),
        rule(own({ set: SETS.sources6, address: 'ip6 saddr', not: true }), verdict.goto('forged')),
        rule(ip6.next('icmpv6'), verdict.goto('icmpv6-packets')),
        rule(ip6.next('udp'), verdict.goto('datagrams')),
        rule(ip6.next('fragment'), verdict.goto('fragments')),
        rule(ip6.hopByHop(), verdict.goto('hop-by-hop')),
        rule(ip6.nextIn(SETS.extensions), drop('extension-header')),
        rule(verdict.goto('broadcasts')),
      ],
    },
    {
      name: 'unspecified',
      rules: [
        rule(ownMac({ set: SETS.macs, not: true }), drop('source-mac')),
        rule(ip6.hopByHop(), verdict.goto('hop-by-hop')),
        rule(ip6.next('icmpv6'), icmpv6.typeIs(SOLICIT), verdict.goto('duplicate-detection')),
        rule(drop('source-address')),
      ],
    },
    {
      name: 'hop-by-hop',
      rules: [
        rule(ip6.second('icmpv6'), icmpv6.typeIn(SETS.reports), verdict.goto('broadcasts')),
        rule(drop('extension-header')),
      ],
    },
    {
      name: 'fragments',
      rules: [
        rule(ip6.secondIn(SETS.extensions), drop('extension-header')),
        rule(icmpv6.typeAbove(ECHO_REPLY), drop('neighbour-discovery')),
        rule(transportIs('udp'), verdict.goto('datagrams')),
        rule(verdict.goto('broadcasts')),
      ],
    },
    { name: 'icmpv6-packets', rules: [rule(icmpv6.verdictOf(SETS.icmpv6)), rule(drop('icmpv6'))] },
  ];
}

/** Who speaks for an address, and with which MAC. */
export function discoveryChains(): Chain[] {
  const notOwnTarget = own({ set: SETS.sources6, address: 'nd target', not: true });
  return [
    {
      name: 'duplicate-detection',
      rules: [
        rule(notOwnTarget, drop('neighbour-discovery')),
        rule(ip6.length(SOLICITATION.bare), verdict.goto('probes')),
        rule(ip6.length(SOLICITATION.whole), icmpv6.option(NONCE, SOLICITATION.option), verdict.goto('probes')),
        rule(drop('neighbour-discovery')),
      ],
    },
    { name: 'router-solicitation', rules: withOwnMac(ROUTER_SOLICITATION, SOURCE_ADDRESS) },
    {
      name: 'neighbour-solicitation',
      rules: [
        // Who asks tells its own MAC to whom it asks.
        rule(own({ set: SETS.claims6, address: 'ip6 saddr' }), drop('neighbour-discovery')),
        rule(icmpv6.targetNotIn(SETS.known6), drop('unknown-target')),
        ...withOwnMac(SOLICITATION, SOURCE_ADDRESS),
      ],
    },
    {
      name: 'neighbour-advertisement',
      rules: [
        rule(own({ set: SETS.claims6, address: 'nd target' }), verdict.goto('nd-claims')),
        rule(notOwnTarget, drop('neighbour-discovery')),
        ...withOwnMac(SOLICITATION, TARGET_ADDRESS),
      ],
    },
  ];
}

/** No option, or the one with the endpoint's own MAC. */
function withOwnMac({ bare, whole, option }: typeof SOLICITATION, type: number): Rule[] {
  const mac: Field = ['transport', option + 2, 6];
  return [
    rule(ip6.length(bare), verdict.goto('probes')),
    rule(ip6.length(whole), icmpv6.option(type, option), ownMac({ set: SETS.macs, mac }), verdict.goto('probes')),
    rule(drop('neighbour-discovery')),
  ];
}
