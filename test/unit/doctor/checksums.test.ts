/** Counters of wrong checksums, as kernels (6.18) print them. */
import { expect, it } from 'vitest';
import { wrongIn } from '../../../src/kernel/host-facts/checksums.ts';

const SNMP = `Icmp: InMsgs InErrors InCsumErrors
Icmp: 7 7 7
IcmpMsg: OutType3
IcmpMsg: 37
Tcp: RtoAlgorithm MaxConn InSegs OutSegs InErrs OutRsts InCsumErrors
Tcp: 1 -1 1000 900 20 1 20
Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti MemErrors
Udp: 95 0 5 100 0 0 5 0 0
UdpLite: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti MemErrors
UdpLite: 9 9 9 9 9 9 9 9 9
`;
const SNMP6 = `Ip6InReceives                   \t500
Udp6InDatagrams                 \t47
Udp6InCsumErrors                \t3
UdpLite6InCsumErrors            \t9
`;

it('are added up over protocols and families', () => {
  expect(wrongIn(SNMP + SNMP6)).toEqual({ came: 1_150, wrong: 28 });
});

it('are those that could be read: a kernel may have no IPv6, and a number that was cut off is none', () => {
  expect(wrongIn(SNMP)).toEqual({ came: 1_100, wrong: 25 });
  expect(wrongIn(SNMP + SNMP6.slice(0, SNMP6.indexOf('\t3') + 2))).toEqual({ came: 1_147, wrong: 25 });
  expect(wrongIn('')).toEqual({ came: 0, wrong: 0 });
});
