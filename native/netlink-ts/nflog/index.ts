export { openPacketLog } from './packet-log.ts';
export type { PacketLogEvent, PacketLogOptions } from './packet-log.ts';
export type { LogConfiguration } from './configuration.ts';
export type { LoggedPacket } from './packet.ts';
