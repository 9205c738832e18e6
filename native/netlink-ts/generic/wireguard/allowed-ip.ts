/** What a peer may send from, and what is sent to it: WGALLOWEDIP_A_*; "10.1.0.0/16" at the library's edge. */
import { DecodeError } from '../../errors.ts';
import { AttributeWriter, readAttributes } from '../../wire/attributes.ts';
import { familyOf, ipBytes, ipText } from '../../wire/text.ts';

const WGALLOWEDIP_A_FAMILY = 1;
const WGALLOWEDIP_A_IPADDR = 2;
const WGALLOWEDIP_A_CIDR_MASK = 3;

const AF_INET = 2;
const AF_INET6 = 10;

export function encodeAllowedIp(prefix: string): Buffer {
  const [address = '', length = ''] = prefix.split('/');
  const four = familyOf(address) === 4;
  if (!/^\d{1,3}$/.test(length) || Number(length) > (four ? 32 : 128)) throw new TypeError(`not a prefix: ${prefix}`);
  return new AttributeWriter()
    .u16(WGALLOWEDIP_A_FAMILY, four ? AF_INET : AF_INET6)
    .bytes(WGALLOWEDIP_A_IPADDR, ipBytes(address))
    .u8(WGALLOWEDIP_A_CIDR_MASK, Number(length))
    .finish();
}

export function decodeAllowedIp(buffer: Buffer): string {
  let address: string | undefined;
  let length = 0;
  readAttributes('allowed ip', buffer, (reader) => {
    // The family follows from the length of the address.
    if (reader.type === WGALLOWEDIP_A_IPADDR) address = ipText(reader.bytes());
    else if (reader.type === WGALLOWEDIP_A_CIDR_MASK) length = reader.u8();
  });
  if (address === undefined) throw new DecodeError('allowed ip: no address');
  return `${address}/${length}`;
}
