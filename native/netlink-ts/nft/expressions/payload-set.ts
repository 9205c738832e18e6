/**
 * `payload write register => LENGTHb @ BASE header + OFFSET`: changes bytes of the packet. The kernel corrects the Internet
 * checksum at the place given; it writes whole 16-bit words of the header that the checksum covers.
 */
import type { ExpressionCodec } from '../expression.ts';
import { registerNumber, registerSlot } from '../register.ts';
import {
  NFTA_PAYLOAD_BASE,
  NFTA_PAYLOAD_LEN,
  NFTA_PAYLOAD_OFFSET,
  PAYLOAD_BASES,
  type PayloadBase,
} from './payload.ts';

const NFTA_PAYLOAD_SREG = 5;
const NFTA_PAYLOAD_CSUM_TYPE = 6;
const NFTA_PAYLOAD_CSUM_OFFSET = 7;
const NFTA_PAYLOAD_CSUM_FLAGS = 8;

const NFT_PAYLOAD_CSUM_NONE = 0;
const NFT_PAYLOAD_CSUM_INET = 1;
const NFT_PAYLOAD_L4CSUM_PSEUDOHDR = 1;

export interface PayloadSet {
  kind: 'payload set';
  base: PayloadBase;
  /** bytes */
  offset: number;
  /** bytes */
  length: number;
  source: number;
  /** none for a header without one, such as Ethernet's */
  checksum?: {
    /** bytes from the beginning of the same header */
    offset: number;
    /** the field is in the pseudo header of TCP and UDP: their checksum is corrected too */
    pseudoHeader?: true;
  };
}

export const payloadSet: ExpressionCodec<PayloadSet> = {
  name: 'payload',
  encode(writer, expression) {
    writer.be32(NFTA_PAYLOAD_SREG, registerNumber(expression.source));
    writer.be32(NFTA_PAYLOAD_BASE, PAYLOAD_BASES.number(expression.base));
    writer.be32(NFTA_PAYLOAD_OFFSET, expression.offset);
    writer.be32(NFTA_PAYLOAD_LEN, expression.length);
    if (!expression.checksum) return;
    writer.be32(NFTA_PAYLOAD_CSUM_TYPE, NFT_PAYLOAD_CSUM_INET);
    writer.be32(NFTA_PAYLOAD_CSUM_OFFSET, expression.checksum.offset);
    if (expression.checksum.pseudoHeader) writer.be32(NFTA_PAYLOAD_CSUM_FLAGS, NFT_PAYLOAD_L4CSUM_PSEUDOHDR);
  },
  decode(reader) {
    const place = { offset: 0, length: 0 };
    const sum = { type: NFT_PAYLOAD_CSUM_NONE, offset: 0, flags: 0 };
    let source: number | undefined;
    let base: PayloadBase | undefined;
    while (reader.next()) {
      if (reader.type === NFTA_PAYLOAD_SREG) source = registerSlot(reader.be32());
      else if (reader.type === NFTA_PAYLOAD_BASE) base = PAYLOAD_BASES.name(reader.be32());
      else if (reader.type === NFTA_PAYLOAD_OFFSET) place.offset = reader.be32();
      else if (reader.type === NFTA_PAYLOAD_LEN) place.length = reader.be32();
      else if (reader.type === NFTA_PAYLOAD_CSUM_TYPE) sum.type = reader.be32();
      else if (reader.type === NFTA_PAYLOAD_CSUM_OFFSET) sum.offset = reader.be32();
      else if (reader.type === NFTA_PAYLOAD_CSUM_FLAGS) sum.flags = reader.be32();
      else return undefined;
    }
    if (source === undefined || base === undefined || !isKnown(sum)) return undefined;
    return { kind: 'payload set', base, ...place, source, ...checksumOf(sum) };
  },
};

/** SCTP's checksum, and a pseudo header without a checksum of the header itself (as IPv6 has it), are not expressed. */
function isKnown({ type, offset, flags }: { type: number; offset: number; flags: number }): boolean {
  if (type === NFT_PAYLOAD_CSUM_NONE) return offset === 0 && flags === 0;
  return type === NFT_PAYLOAD_CSUM_INET && (flags & ~NFT_PAYLOAD_L4CSUM_PSEUDOHDR) === 0;
}

function checksumOf(sum: { type: number; offset: number; flags: number }): Pick<PayloadSet, 'checksum'> {
  if (sum.type === NFT_PAYLOAD_CSUM_NONE) return {};
  return { checksum: { offset: sum.offset, ...(sum.flags ? { pseudoHeader: true } : {}) } };
}
