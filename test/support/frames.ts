/** Ethernet frames by hand, right or wrong: headers of fixed shape around a payload. Checksums are left at zero. */

export const BROADCAST = 'ff:ff:ff:ff:ff:ff';

function mac(text: string): Buffer {
  return Buffer.from(text.replaceAll(':', ''), 'hex');
}

function ipv4Bytes(text: string): Buffer {
  return Buffer.from(text.split('.').map(Number));
}

function ipv6Bytes(text: string): Buffer {
  const [head = '', tail = ''] = text.split('::');
  const words = (part: string) => (part === '' ? [] : part.split(':').map((word) => Number.parseInt(word, 16)));
  const [before, after] = [words(head), words(tail)];
  const middle = new Array<number>(text.includes('::') ? 8 - before.length - after.length : 0).fill(0);
  return Buffer.concat([...before, ...middle, ...after].map((word) => uint16(word)));
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

interface Ends {
  from: string;
  to: string;
}

export function ethernet({ from, to }: Ends, type: number, payload: Buffer): Buffer {
  return Buffer.concat([mac(to), mac(from), uint16(type), payload]);
}

/** 802.1Q, or another tag. */
export function tagged(frame: Buffer, options: { type?: number; vlan?: number } = {}): Buffer {
  const { type = 0x8100, vlan = 7 } = options;
  return Buffer.concat([frame.subarray(0, 12), uint16(type), uint16(vlan), frame.subarray(12)]);
}

export interface ArpFields {
  operation?: number;
  /** 1: Ethernet */
  hardware?: number;
  senderMac: string;
  sender: string;
  target: string;
}

export function arp({ operation = 1, hardware = 1, senderMac, sender, target }: ArpFields): Buffer {
  return Buffer.concat([
    uint16(hardware),
    Buffer.from('08000604', 'hex'),
    uint16(operation),
    mac(senderMac),
    ipv4Bytes(sender),
    Buffer.alloc(6),
    ipv4Bytes(target),
  ]);
}

export interface Ipv4Fields extends Ends {
  protocol: number;
  options?: Buffer;
  /** flags and offset as they stand in the header */
  fragment?: number;
}

/** With a true checksum of the header: whoever forwards it would drop it for a wrong one before any rule saw it. */
export function ipv4(
  { from, to, protocol, options = Buffer.alloc(0), fragment = 0 }: Ipv4Fields,
  payload: Buffer,
): Buffer {
  const words = 5 + options.length / 4;
  const header = Buffer.concat([
    Buffer.from([0x40 | words, 0]),
    uint16(words * 4 + payload.length),
    uint16(0x77),
    uint16(fragment),
    Buffer.from([64, protocol, 0, 0]),
    ipv4Bytes(from),
    ipv4Bytes(to),
    options,
  ]);
  header.writeUInt16BE(checksum(header), 10);
  return Buffer.concat([header, payload]);
}

/** RFC 1071, of whole words. */
function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at + 1 < bytes.length; at += 2) sum += bytes.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}

export function udp(ports: { from: number; to: number }, payload: Buffer): Buffer {
  return Buffer.concat([uint16(ports.from), uint16(ports.to), uint16(8 + payload.length), uint16(0), payload]);
}

export function icmp(type: number, payload: Buffer): Buffer {
  return Buffer.concat([Buffer.from([type, 0, 0, 0]), payload]);
}

/** `next`: what follows, an upper protocol or an extension header. */
export function ipv6({ from, to, next }: Ends & { next: number }, payload: Buffer): Buffer {
  return Buffer.concat([
    Buffer.from('60000000', 'hex'),
    uint16(payload.length),
    Buffer.from([next, 255]),
    ipv6Bytes(from),
    ipv6Bytes(to),
    payload,
  ]);
}

/** Hop-by-hop options, destination options or a routing header without content: 8 bytes that lead to `next`. */
export function extension(next: number, payload: Buffer, content = '01040000'): Buffer {
  return Buffer.concat([Buffer.from([next, 0]), Buffer.from(content, 'hex'), Buffer.alloc(2), payload]);
}

export function fragment(next: number, at: { offset: number; more: boolean }, payload: Buffer): Buffer {
  const place = uint16((at.offset & ~7) | Number(at.more));
  return Buffer.concat([Buffer.from([next, 0]), place, Buffer.from('00000077', 'hex'), payload]);
}

/** A neighbour discovery message with a target; `option` as [type, MAC]. */
export function discovery(type: number, target: string, option?: readonly [type: number, mac: string]): Buffer {
  const tail = option ? [Buffer.from([option[0], 1]), mac(option[1])] : [];
  return Buffer.concat([Buffer.from([type, 0, 0, 0, 0, 0, 0, 0]), ipv6Bytes(target), ...tail]);
}

export function vxlan({ vni, frame }: { vni: number; frame: Buffer }): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt8(0x08, 0);
  header.writeUIntBE(vni, 4, 3);
  return Buffer.concat([header, frame]);
}
