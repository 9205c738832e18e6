export { DecodeError, NetlinkError, OutcomeUnknownError, OverrunError, errnoName } from './errors.ts';
export { createNamespace, deleteNamespace, openNamespace, readSysctl, writeSysctl } from './namespace/namespace.ts';
export type { Namespace, NamespaceReference } from './namespace/namespace.ts';
export { notifyService } from './service/notify.ts';
export { NETLINK_GENERIC, NETLINK_NETFILTER, NETLINK_ROUTE, NetlinkSocket } from './socket/socket.ts';
export type { OpenOptions, RequestOptions, SocketOptions } from './socket/socket.ts';
export type { Kernel, KernelSocket, Receive } from './socket/kernel.ts';
export { openMonitor } from './socket/monitor.ts';
export type { MonitorEvent, MonitorOptions } from './socket/monitor.ts';
export type { NetlinkMessage, Outgoing } from './wire/message.ts';
export { AttributeReader, AttributeWriter } from './wire/attributes.ts';
export { RouteSocket } from './route/route-socket.ts';
export { monitorRoutes } from './route/monitor.ts';
export type { RouteEvent, RouteTopic } from './route/monitor.ts';
export type { Link, LinkChange, LinkSpec } from './route/link.ts';
export type { BridgeData } from './route/kinds/bridge.ts';
export type { BridgePortData } from './route/kinds/bridge-port.ts';
export type { VxlanData } from './route/kinds/vxlan.ts';
export { IFA_F_NODAD } from './route/address.ts';
export type { AddressSpec, InterfaceAddress } from './route/address.ts';
export {
  NTF_EXT_LEARNED,
  NTF_MASTER,
  NTF_SELF,
  NUD_NOARP,
  NUD_PERMANENT,
  NUD_REACHABLE,
  NUD_STALE,
} from './route/neighbour.ts';
export type { FdbEntry, FdbSpec, Neighbour, NeighbourSpec } from './route/neighbour.ts';
export type { Route, RouteSpec } from './route/route.ts';
export * from './nft/index.ts';
export * from './conntrack/index.ts';
export * from './generic/index.ts';
export * from './nflog/index.ts';
