export { ConntrackSocket } from './conntrack-socket.ts';
export { monitorFlows } from './monitor.ts';
export type { FlowEvent, FlowEventFilter, FlowTopic } from './monitor.ts';
export type { Counters, Flow } from './flow.ts';
export type { FlowFilter, TupleFilter } from './filter.ts';
export type { FlowReference } from './reference.ts';
export type { SctpInfo, SctpState, TcpInfo, TcpState } from './protocol-state.ts';
export type { CpuStatistics, TableFill } from './statistics.ts';
export type { Translation } from './translation.ts';
export { translationOf } from './translation.ts';
export type { Tuple } from './tuple.ts';
export {
  IPS_ASSURED,
  IPS_CONFIRMED,
  IPS_DST_NAT,
  IPS_DYING,
  IPS_EXPECTED,
  IPS_SEEN_REPLY,
  IPS_SRC_NAT,
} from './constants.ts';
