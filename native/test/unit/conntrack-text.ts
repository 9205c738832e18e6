/** A flow as `conntrack -L -o extended,id` prints it, for comparison. */
import { IPS_ASSURED, IPS_SEEN_REPLY } from '../../netlink-ts/conntrack/constants.ts';
import type { Counters, Flow } from '../../netlink-ts/conntrack/flow.ts';
import type { Tuple } from '../../netlink-ts/conntrack/tuple.ts';

const PROTOCOLS: Record<number, string> = { 1: 'icmp', 6: 'tcp', 17: 'udp', 58: 'icmpv6', 132: 'sctp' };

/** Marks of zero are left out: events do not tell of them. */
export function textOf(flow: Flow): string {
  const { original, reply, status } = flow;
  const state = flow.tcp?.state ?? flow.sctp?.state;
  const words = [
    `${`ipv${flow.family}`.padEnd(8)} ${flow.family === 4 ? 2 : 10}`,
    `${(PROTOCOLS[original.protocol] ?? 'unknown').padEnd(8)} ${original.protocol} ${flow.timeout ?? ''}`,
    state,
    ...ends(original, flow.counters?.original),
    ...((status & IPS_SEEN_REPLY) === 0 ? ['[UNREPLIED]'] : []),
    ...ends(reply, flow.counters?.reply),
    ...((status & IPS_ASSURED) === 0 ? [] : ['[ASSURED]']),
    ...(flow.mark === 0 ? [] : [`mark=${flow.mark}`]),
    ...(flow.zone === 0 ? [] : [`zone=${flow.zone}`]),
    ...(flow.use === undefined ? [] : [`use=${flow.use}`]),
    `id=${flow.id}`,
  ];
  return words.filter((word) => word !== undefined).join(' ');
}

function ends(tuple: Tuple, counters: Counters | undefined): string[] {
  const { icmp, sourcePort, destinationPort, zone } = tuple;
  return [
    `src=${tuple.source} dst=${tuple.destination}`,
    ...(icmp ? [`type=${icmp.type} code=${icmp.code} id=${icmp.id}`] : []),
    ...(sourcePort === undefined ? [] : [`sport=${sourcePort} dport=${destinationPort}`]),
    ...(zone === undefined ? [] : [`zone-orig=${zone}`]),
    ...(counters ? [`packets=${counters.packets} bytes=${counters.bytes}`] : []),
  ];
}

/** What the tool says, without what depends on the tool or on when it was asked. */
export function comparable(line: string): string {
  return line.replace(/^\[\w+\] | \[USERSPACE\].*$| mark=0(?= |$)| delta-time=\d+| \[start=[^\]]*\]/g, '').trim();
}
