import type { NetlinkMessage } from './message.ts';
import { HEADER_LENGTH, NLM_F_ACK_TLVS, NLM_F_CAPPED } from './message.ts';
import { align4, AttributeReader } from './attributes.ts';

const NLMSGERR_ATTR_MSG = 1;
const NLMSGERR_ATTR_OFFS = 2;

export interface Acknowledgement {
  /** 0 for success, else positive */
  errno: number;
  kernelMessage: string;
  offset: number | undefined;
}

/** NLMSG_ERROR's payload: errno, the request's header (and body unless capped), then the extended attributes. */
export function decodeAcknowledgement(message: NetlinkMessage): Acknowledgement {
  const { payload } = message;
  const errno = payload.length >= 4 ? -payload.readInt32LE(0) : 0;
  const answer: Acknowledgement = { errno, kernelMessage: '', offset: undefined };
  if ((message.flags & NLM_F_ACK_TLVS) === 0 || payload.length < 4 + HEADER_LENGTH) return answer;
  const capped = (message.flags & NLM_F_CAPPED) !== 0;
  const echoed = capped ? HEADER_LENGTH : Math.max(HEADER_LENGTH, align4(payload.readUInt32LE(4)));
  const reader = new AttributeReader(payload.subarray(Math.min(payload.length, 4 + echoed)));
  while (reader.next()) {
    if (reader.type === NLMSGERR_ATTR_MSG) answer.kernelMessage = reader.string();
    if (reader.type === NLMSGERR_ATTR_OFFS) answer.offset = reader.u32();
  }
  return answer;
}

/** NLMSG_DONE carries the errno of a dump that failed. */
export function decodeDone(message: NetlinkMessage): Acknowledgement {
  const errno = message.payload.length >= 4 ? -message.payload.readInt32LE(0) : 0;
  return { errno: Math.max(0, errno), kernelMessage: '', offset: undefined };
}
