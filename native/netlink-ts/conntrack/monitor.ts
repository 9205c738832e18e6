/**
 * Flows that come, change and go. The kernel tells of flows that began after somebody listened (nf_conntrack_events = 2,
 * its default since 5.19); an event holds what changed, so only the identity of its flow is always there.
 */
import { DecodeError } from '../errors.ts';
import { openMonitor } from '../socket/monitor.ts';
import type { MonitorEvent } from '../socket/monitor.ts';
import { NETLINK_NETFILTER } from '../socket/socket.ts';
import type { SocketOptions } from '../socket/socket.ts';
import { NLM_F_CREATE } from '../wire/message.ts';
import type { NetlinkMessage } from '../wire/message.ts';
import * as cta from './constants.ts';
import { flowMatches } from './filter.ts';
import type { FlowFilter } from './filter.ts';
import { decodeFlow } from './flow.ts';
import type { Flow } from './flow.ts';

export type FlowEvent =
  | { kind: 'new' | 'update' | 'destroy'; flow: Flow }
  /** something was missed: read the table again */
  | { kind: 'overrun' };

const GROUPS = {
  new: cta.NFNLGRP_CONNTRACK_NEW,
  update: cta.NFNLGRP_CONNTRACK_UPDATE,
  destroy: cta.NFNLGRP_CONNTRACK_DESTROY,
} as const;

export type FlowTopic = keyof typeof GROUPS;

/** What every event holds, and so what a filter of events may ask for. */
export type FlowEventFilter = Pick<FlowFilter, 'family' | 'zone' | 'original' | 'reply'>;

/** Subscribed when this returns; ends with the signal. */
export function monitorFlows(
  options: SocketOptions & { topics: FlowTopic[]; filter?: FlowEventFilter; signal: AbortSignal },
): AsyncGenerator<FlowEvent> {
  const groups = options.topics.map((topic) => GROUPS[topic]);
  const events = openMonitor({ ...options, protocol: NETLINK_NETFILTER, groups });
  return decodeEvents(events, options.filter ?? {});
}

async function* decodeEvents(events: AsyncIterable<MonitorEvent>, filter: FlowEventFilter): AsyncGenerator<FlowEvent> {
  for await (const event of events) {
    const decoded = event.kind === 'overrun' ? event : readable(event.message);
    if (decoded && (decoded.kind === 'overrun' || flowMatches(decoded.flow, filter))) yield decoded;
  }
}

/** An event that cannot be read is a missed one. */
function readable(message: NetlinkMessage): FlowEvent | undefined {
  try {
    return decodeFlowEvent(message);
  } catch (error) {
    if (error instanceof DecodeError) return { kind: 'overrun' };
    throw error;
  }
}

export function decodeFlowEvent({ type, flags, payload }: NetlinkMessage): FlowEvent | undefined {
  if (type === cta.IPCTNL_MSG_CT_DELETE) return { kind: 'destroy', flow: decodeFlow(payload) };
  if (type !== cta.IPCTNL_MSG_CT_NEW) return undefined;
  return { kind: (flags & NLM_F_CREATE) !== 0 ? 'new' : 'update', flow: decodeFlow(payload) };
}
