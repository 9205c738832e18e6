export { RouteSocket } from './route-socket.ts';
export { monitorRoutes } from './monitor.ts';
export type { RouteEvent, RouteTopic } from './monitor.ts';
export type { Link, LinkChange, LinkSpec } from './link.ts';
export type { KindData, LinkInfo, Read } from './link-info.ts';
export type { LinkFilter } from './sections/links.ts';
export type { BridgeData } from './kinds/bridge.ts';
export type { BridgePortData } from './kinds/bridge-port.ts';
export type { IpvlanData, IpvlanMode } from './kinds/ipvlan.ts';
export type { MacvlanData, MacvlanMode } from './kinds/macvlan.ts';
export { ETH_P_8021AD, ETH_P_8021Q } from './kinds/vlan.ts';
export type { VlanData } from './kinds/vlan.ts';
export type { VxlanData } from './kinds/vxlan.ts';
export type { LinkCounters, LinkStatistics } from './statistics.ts';
export { IFA_F_NODAD } from './address.ts';
export type { AddressSpec, InterfaceAddress } from './address.ts';
export {
  NTF_EXT_LEARNED,
  NTF_MASTER,
  NTF_SELF,
  NUD_NOARP,
  NUD_PERMANENT,
  NUD_REACHABLE,
  NUD_STALE,
} from './neighbour.ts';
export type { FdbEntry, FdbSpec, Neighbour, NeighbourSpec } from './neighbour.ts';
export { RTN_BLACKHOLE, RTN_PROHIBIT, RTN_UNICAST, RTN_UNREACHABLE } from './route.ts';
export type { Route, RouteSpec } from './route.ts';
export type { RoutingRule, RoutingRuleAction, RoutingRuleReference, RoutingRuleSpec } from './rule.ts';
export type { Action, ActionSpec } from './traffic/action.ts';
export { MATCH_EVERY_PACKET } from './traffic/bpf.ts';
export type { BpfFilter, BpfSpec, ClassicInstruction } from './traffic/bpf.ts';
export { ETH_P_ALL } from './traffic/filter.ts';
export type { Filter, FilterParent, FilterReference, FilterSpec } from './traffic/filter.ts';
export { TC_H_ROOT } from './traffic/header.ts';
export type { MatchallFilter, MatchallSpec } from './traffic/matchall.ts';
export type { Mirred, MirredData } from './traffic/mirred.ts';
export type { Qdisc, QdiscReference, QdiscSpec } from './traffic/qdisc.ts';
export type { TrafficStatistics } from './traffic/statistics.ts';
export type { Tbf, TbfData } from './traffic/tbf.ts';
