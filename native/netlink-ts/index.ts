export { DecodeError, NetlinkError, OutcomeUnknownError, OverrunError, errnoName } from './errors.ts';
export {
  createNamespace,
  deleteNamespace,
  openNamespace,
  readCounters,
  readSysctl,
  writeSysctl,
} from './namespace/namespace.ts';
export type { Namespace, NamespaceReference } from './namespace/namespace.ts';
export { holdPort } from './port/port.ts';
export type { HeldPort, PortRequest } from './port/port.ts';
export { sendFrame } from './frame/frame.ts';
export { readLegacyTable } from './legacy/table.ts';
export type { LegacyChain, LegacyFamily, LegacyHook, LegacyRule, LegacyTable } from './legacy/decode.ts';
export { tryLock } from './service/lock.ts';
export { notifyService } from './service/notify.ts';
export { NETLINK_GENERIC, NETLINK_NETFILTER, NETLINK_ROUTE, NetlinkSocket } from './socket/socket.ts';
export type { OpenOptions, RequestOptions, SocketOptions } from './socket/socket.ts';
export type { Kernel, KernelSocket, Receive } from './socket/kernel.ts';
export { openMonitor } from './socket/monitor.ts';
export type { MonitorEvent, MonitorOptions } from './socket/monitor.ts';
export type { NetlinkMessage, Outgoing } from './wire/message.ts';
export { AttributeReader, AttributeWriter } from './wire/attributes.ts';
export * from './route/index.ts';
export * from './nft/index.ts';
export * from './conntrack/index.ts';
export * from './generic/index.ts';
export * from './nflog/index.ts';
