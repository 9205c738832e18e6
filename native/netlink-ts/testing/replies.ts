/** What a fake kernel says to a request, in the kernel's own bytes. */
import { constants } from 'node:os';
import { AttributeWriter } from '../wire/attributes.ts';
import {
  encodeMessage,
  HEADER_LENGTH,
  NLM_F_ACK_TLVS,
  NLM_F_CAPPED,
  NLM_F_DUMP_INTR,
  NLM_F_MULTI,
  NLMSG_DONE,
  NLMSG_ERROR,
} from '../wire/message.ts';
import type { NetlinkMessage, Outgoing } from '../wire/message.ts';

const NLMSGERR_ATTR_MSG = 1;
const NLMSGERR_ATTR_OFFS = 2;

/** Bytes of one datagram, or an errno of receiving (ENOBUFS: an overrun), or one of sending. */
export type Reply = { datagram: Buffer } | { receiveErrno: number } | { sendErrno: number };

/** A request as it came, and the socket it came from. */
export interface FakeRequest extends NetlinkMessage {
  protocol: number;
  netns: string | number | undefined;
}

export type ErrnoName = keyof typeof constants.errno;

/** The request succeeded. */
export function acknowledge(request: NetlinkMessage): Reply {
  return acknowledgement(request, 0, Buffer.alloc(0));
}

/** The request failed; `text` and `offset` are what an extended acknowledgement says. */
export function error(
  request: NetlinkMessage,
  errno: ErrnoName,
  { text, offset }: { text?: string; offset?: number } = {},
): Reply {
  const writer = new AttributeWriter();
  if (text !== undefined) writer.string(NLMSGERR_ATTR_MSG, text);
  if (offset !== undefined) writer.u32(NLMSGERR_ATTR_OFFS, offset);
  return acknowledgement(request, constants.errno[errno], writer.finish());
}

function acknowledgement(request: NetlinkMessage, errno: number, attributes: Buffer): Reply {
  const code = Buffer.alloc(4);
  code.writeInt32LE(-errno);
  const echoed = encodeMessage({ ...request, payload: Buffer.alloc(0) }, request.sequence);
  echoed.writeUInt32LE(HEADER_LENGTH + request.payload.length, 0);
  const flags = NLM_F_CAPPED | (attributes.length > 0 ? NLM_F_ACK_TLVS : 0);
  const payload = Buffer.concat([code, echoed, attributes]);
  return { datagram: encodeMessage({ type: NLMSG_ERROR, flags, payload }, request.sequence) };
}

/** One message that answers; an acknowledgement of its own still has to follow. */
export function answer(request: NetlinkMessage, type: number, payload: Buffer): Reply {
  return { datagram: encodeMessage({ type, flags: 0, payload }, request.sequence) };
}

/** A dump: its parts in one datagram and the end in another. `interrupted` marks it as changed while it was walked. */
export function multipart(
  request: NetlinkMessage,
  parts: Pick<Outgoing, 'type' | 'payload'>[],
  { interrupted = false, errno }: { interrupted?: boolean; errno?: ErrnoName } = {},
): Reply[] {
  const flags = NLM_F_MULTI | (interrupted ? NLM_F_DUMP_INTR : 0);
  const code = Buffer.alloc(4);
  if (errno) code.writeInt32LE(-constants.errno[errno]);
  const end = { datagram: encodeMessage({ type: NLMSG_DONE, flags, payload: code }, request.sequence) };
  if (parts.length === 0) return [end];
  const messages = parts.map((part) => encodeMessage({ ...part, flags }, request.sequence));
  return [{ datagram: Buffer.concat(messages) }, end];
}

/** A dump under which the kernel saw something change: the reader begins again. */
export function interruptedDump(request: NetlinkMessage, parts: Pick<Outgoing, 'type' | 'payload'>[]): Reply[] {
  return multipart(request, parts, { interrupted: true });
}

/** The receive buffer ran over: what was to be read is lost, of every request in flight. */
export function overrun(): Reply {
  return { receiveErrno: constants.errno.ENOBUFS };
}

/** The send call itself fails, and nothing that came with the request was carried out. */
export function refuseSend(errno: ErrnoName): Reply {
  return { sendErrno: constants.errno[errno] };
}

/** Any bytes: what no kernel would send. */
export function garbage(datagram: Buffer): Reply {
  return { datagram };
}
