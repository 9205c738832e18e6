/** SCTP packets by hand (RFC 9260), with their true checksum: a NAT that does not know the protocol leaves a wrong one. */

const [INIT, INIT_ACK, COOKIE] = [1, 2, 7];
const WINDOW = 65_536;

export interface SctpPorts {
  from: number;
  to: number;
}

/** The first packet of an association: it bears no tag but the one that the other end is to use. */
export function init(ports: SctpPorts, tag: number): Buffer {
  return packet(ports, 0, chunk(INIT, initial(tag)));
}

/** The answer, by the tag that the first packet named. */
export function initAck(ports: SctpPorts, tags: { other: number; own: number }): Buffer {
  const cookie = Buffer.from([0, COOKIE, 0, 8, 1, 2, 3, 4]);
  return packet(ports, tags.other, chunk(INIT_ACK, Buffer.concat([initial(tags.own), cookie])));
}

/** Tag, window, streams out and in, first sequence number. */
function initial(tag: number): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt32BE(tag, 0);
  bytes.writeUInt32BE(WINDOW, 4);
  bytes.writeUInt16BE(1, 8);
  bytes.writeUInt16BE(1, 10);
  bytes.writeUInt32BE(1, 12);
  return bytes;
}

function chunk(type: number, value: Buffer): Buffer {
  const header = Buffer.from([type, 0, 0, 0]);
  header.writeUInt16BE(header.length + value.length, 2);
  return Buffer.concat([header, value]);
}

function packet(ports: SctpPorts, tag: number, chunks: Buffer): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt16BE(ports.from, 0);
  header.writeUInt16BE(ports.to, 2);
  header.writeUInt32BE(tag, 4);
  const bytes = Buffer.concat([header, chunks]);
  bytes.writeUInt32LE(crc32c(bytes), 8);
  return bytes;
}

/** Castagnoli's, reflected, as RFC 9260 appendix A has it. */
export function crc32c(bytes: Buffer): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f6_3b78 : 0);
  }
  return ~crc >>> 0;
}
