/**
 * Who a frame claims to be from, chain by chain: IPv4 and ARP here, IPv6 in chains-ipv6.ts.
 *
 *   prerouting -- iifname "we*" --> endpoint --> ip-frames, arp-frames, ip6-frames --> checks --> broadcasts --> accept
 *                                                        \-> drop-REASON: counts for the port, drops
 *
 * The rules are the same for all endpoints: what tells them apart stands in sets whose keys begin with the name of the port,
 * so a frame costs the same among a thousand endpoints as among two, and an attach adds elements and no rule. What is
 * known passes and the rest is dropped: a rule that cannot load its bytes (a cut packet) ends without a match.
 */
import { commented, rule, verdict } from 'netlink-ts';
import type { Chain, Rule } from 'netlink-ts';
import { FRAME_DROPS } from '../../plan/port-guard/intent.ts';
import type { FrameDrop } from '../../plan/port-guard/intent.ts';
import { matchPrefix } from '../interface-names.ts';
import { above, arp, count, etherType, ip, multicast, own, ownMac, transportIs, udp } from './frame.ts';
import { dropSet, SETS } from './sets.ts';

/** before br_netfilter (0), which would hand frames to the policy of the inet tables */
const FILTER = -200;
/** Per endpoint and second. Behind a limit every local port gets a copy, or a table gets an entry. */
const BROADCASTS = { rate: 1000, burst: 2000 };
const PROBES = { rate: 500, burst: 1000 };
const ICMP_REDIRECT = 5;
const ICMP_ROUTER_ADVERTISEMENT = 9;

export function drop(reason: FrameDrop) {
  return verdict.goto(`drop-${reason}`);
}

/** Reached by nothing but frames that endpoints put on their bridge. */
export function entryChains(): Chain[] {
  return [
    {
      name: 'prerouting',
      base: { type: 'filter', hook: 'prerouting', priority: FILTER, policy: 'accept' },
      rules: [rule(matchPrefix('iifname', 'we'), verdict.goto('endpoint'))],
    },
    {
      name: 'endpoint',
      rules: [
        rule(etherType.ip(), verdict.goto('ip-frames')),
        rule(etherType.arp(), verdict.goto('arp-frames')),
        rule(etherType.ip6(), verdict.goto('ip6-frames')),
        rule(drop('ethertype')),
      ],
    },
  ];
}

export function ipChains(): Chain[] {
  return [
    {
      name: 'ip-frames',
      rules: [
        rule(own({ set: SETS.sources4, address: 'ip saddr', not: true }), verdict.goto('forged')),
        rule(ip.plain(), verdict.goto('ip-packets')),
        commented('IGMP, router alert', rule(ip.routerAlert(), verdict.goto('broadcasts'))),
        rule(drop('ip-options')),
      ],
    },
    {
      name: 'ip-packets',
      rules: [
        rule(transportIs('udp'), verdict.goto('datagrams')),
        rule(ip.icmpType(ICMP_REDIRECT), drop('router')),
        rule(ip.icmpType(ICMP_ROUTER_ADVERTISEMENT), drop('router')),
        rule(verdict.goto('broadcasts')),
      ],
    },
  ];
}

export function arpChains(): Chain[] {
  return [
    {
      name: 'arp-frames',
      rules: [
        rule(ownMac({ set: SETS.macs, not: true }), drop('source-mac')),
        rule(arp.operation(1), verdict.goto('arp-packets')),
        rule(arp.operation(2), verdict.goto('arp-packets')),
        rule(drop('arp')),
      ],
    },
    {
      name: 'arp-packets',
      rules: [
        rule(arp.own(SETS.claims4, 'sender'), verdict.goto('arp-claims')),
        rule(arp.own(SETS.sources4, 'sender'), verdict.goto('arp-targets')),
        commented(
          'is my address free (RFC 5227)',
          rule(arp.asks(), arp.fromNobody(), arp.own(SETS.sources4, 'target'), verdict.goto('probes')),
        ),
        rule(drop('arp')),
      ],
    },
    {
      name: 'arp-targets',
      rules: [rule(arp.asks(), arp.targetNotIn(SETS.known4), drop('unknown-target')), rule(verdict.goto('probes'))],
    },
  ];
}

/** Ends of the ways that both families take. */
export function commonChains(): Chain[] {
  return [
    {
      name: 'forged',
      rules: [rule(ownMac({ set: SETS.macs }), drop('source-address')), rule(drop('source-mac'))],
    },
    {
      name: 'datagrams',
      rules: [
        rule(udp.from(67), drop('dhcp-server')),
        rule(udp.to(68), drop('dhcp-server')),
        rule(udp.from(547), drop('dhcp-server')),
        rule(udp.to(546), drop('dhcp-server')),
        rule(verdict.goto('broadcasts')),
      ],
    },
    {
      name: 'probes',
      rules: [rule(above(SETS.probes, PROBES), drop('rate')), rule(verdict.accept())],
    },
    {
      name: 'broadcasts',
      rules: [rule(multicast(), above(SETS.broadcasts, BROADCASTS), drop('rate')), rule(verdict.accept())],
    },
    ...FRAME_DROPS.map((reason) => ({ name: `drop-${reason}`, rules: dropRules(reason) })),
  ];
}

/** Two rules: a set that is full ends the first one, and the frame must not slip through for that. */
function dropRules(reason: FrameDrop): Rule[] {
  return [rule(count(dropSet(reason))), rule(verdict.drop())];
}
