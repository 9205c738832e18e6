/**
 * Shared addresses in the mouth of one that may have them and does not. Its packets from such an address pass; in ARP and
 * neighbour discovery it would take the address over on this host alone, so nothing passes there. An announcement goes to
 * weftd instead, which gives it the address on all hosts and tells the containers there. With weftd away the last holder stays.
 */
import { commented, rule, verdict } from 'netlink-ts';
import type { Chain, Expression } from 'netlink-ts';
import { drop } from './chains.ts';
import { arp, icmpv6, within } from './frame.ts';
import { SETS } from './sets.ts';

/** NFLOG's, in the tenant's namespace, where weft is alone */
export const CLAIMS_GROUP = 1;
/** Of one endpoint for one address: it says so several times, and weftd has to read it. */
const CLAIMS = { rate: 1, burst: 3 };
/** from the network header on: what ARP and a neighbour advertisement say */
const READ = 96;

export function claimChains(): Chain[] {
  const tell: Expression = { kind: 'log', group: CLAIMS_GROUP, snaplen: READ };
  return [
    {
      name: 'arp-claims',
      rules: [rule(arp.announces(SETS.announcements4), verdict.goto('announcements')), rule(drop('arp'))],
    },
    {
      name: 'announcements',
      rules: [
        commented('to weftd', rule(within(SETS.announcementRate4, 'arp sender', CLAIMS), tell, verdict.drop())),
        rule(drop('rate')),
      ],
    },
    {
      name: 'nd-claims',
      rules: [
        commented(
          'to weftd',
          rule(icmpv6.unsolicited(), within(SETS.announcementRate6, 'nd target', CLAIMS), tell, verdict.drop()),
        ),
        rule(icmpv6.unsolicited(), drop('rate')),
        rule(drop('neighbour-discovery')),
      ],
    },
  ];
}
