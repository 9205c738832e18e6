/** Where a peer is: struct sockaddr_in or sockaddr_in6. The family is in host byte order, the rest in network order. */
import { DecodeError } from '../../errors.ts';
import { familyOf, ipBytes, ipText } from '../../wire/text.ts';

const AF_INET = 2;
const AF_INET6 = 10;
const LENGTH4 = 16;
const LENGTH6 = 28;

export interface Endpoint {
  address: string;
  port: number;
  /** of a link-local IPv6 address: the index of its interface */
  scope?: number;
}

export function encodeEndpoint({ address, port, scope = 0 }: Endpoint): Buffer {
  const four = familyOf(address) === 4;
  const bytes = Buffer.alloc(four ? LENGTH4 : LENGTH6);
  bytes.writeUInt16LE(four ? AF_INET : AF_INET6, 0);
  bytes.writeUInt16BE(port, 2);
  ipBytes(address).copy(bytes, four ? 4 : 8);
  if (!four) bytes.writeUInt32LE(scope, 24);
  return bytes;
}

export function decodeEndpoint(bytes: Buffer): Endpoint {
  const family = bytes.length < 2 ? 0 : bytes.readUInt16LE(0);
  if (family === AF_INET && bytes.length >= LENGTH4) {
    return { address: ipText(bytes.subarray(4, 8)), port: bytes.readUInt16BE(2) };
  }
  if (family !== AF_INET6 || bytes.length < LENGTH6) {
    throw new DecodeError(`an endpoint of ${bytes.length} bytes and family ${family}`);
  }
  const scope = bytes.readUInt32LE(24);
  return {
    address: ipText(bytes.subarray(8, 24)),
    port: bytes.readUInt16BE(2),
    ...(scope === 0 ? {} : { scope }),
  };
}
