/**
 * `reject with ...`: drops the packet and tells its sender. `icmpx` is for tables of two families: the kernel takes ICMP's
 * or ICMPv6's code for its reason. The bridge family needs a module of its own (nft_reject_bridge).
 */
import type { ExpressionCodec } from '../expression.ts';
import { nameTable } from '../names.ts';

const NFTA_REJECT_TYPE = 1;
const NFTA_REJECT_ICMP_CODE = 2;

const NFT_REJECT_ICMP_UNREACH = 0;
const NFT_REJECT_TCP_RST = 1;
const NFT_REJECT_ICMPX_UNREACH = 2;

const ICMPX_REASONS = nameTable({ 'no-route': 0, 'port-unreachable': 1, 'host-unreachable': 2, 'admin-prohibited': 3 });

export type RejectReason = Exclude<ReturnType<typeof ICMPX_REASONS.name>, undefined>;

export type Reject =
  | { kind: 'reject'; with: 'icmpx'; reason: RejectReason }
  /** the code of ICMP's or ICMPv6's "destination unreachable", as the rule's packets have the one or the other */
  | { kind: 'reject'; with: 'icmp'; code: number }
  | { kind: 'reject'; with: 'tcp reset' };

export const reject: ExpressionCodec<Reject> = {
  name: 'reject',
  encode(writer, expression) {
    const [type, code] = numbersOf(expression);
    writer.be32(NFTA_REJECT_TYPE, type);
    writer.u8(NFTA_REJECT_ICMP_CODE, code);
  },
  decode(reader) {
    let type: number | undefined;
    let code = 0;
    while (reader.next()) {
      if (reader.type === NFTA_REJECT_TYPE) type = reader.be32();
      else if (reader.type === NFTA_REJECT_ICMP_CODE) code = reader.u8();
      else return undefined;
    }
    return type === undefined ? undefined : rejectOf(type, code);
  },
};

function numbersOf(expression: Reject): readonly [type: number, code: number] {
  switch (expression.with) {
    case 'icmp':
      return [NFT_REJECT_ICMP_UNREACH, expression.code];
    case 'icmpx':
      return [NFT_REJECT_ICMPX_UNREACH, ICMPX_REASONS.number(expression.reason)];
    case 'tcp reset':
      return [NFT_REJECT_TCP_RST, 0];
  }
}

function rejectOf(type: number, code: number): Reject | undefined {
  if (type === NFT_REJECT_ICMP_UNREACH) return { kind: 'reject', with: 'icmp', code };
  if (type === NFT_REJECT_TCP_RST) return { kind: 'reject', with: 'tcp reset' };
  const reason = type === NFT_REJECT_ICMPX_UNREACH ? ICMPX_REASONS.name(code) : undefined;
  return reason && { kind: 'reject', with: 'icmpx', reason };
}
