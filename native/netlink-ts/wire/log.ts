/**
 * One line for each message that a socket sends or receives, to be searched with grep and read beside
 * `nft --debug=netlink` or `strace`:
 *
 *     > route RTM_NEWLINK seq=2 flags=REQUEST|ACK|EXCL|CREATE body=00... 3="br0" 18={1="bridge"}
 *     < route NLMSG_ERROR seq=2 flags=CAPPED|ACK_TLVS EEXIST "..."
 *
 * Attributes go by their numbers. What is printed of a value is bounded, and what a socket was told is secret is not
 * printed at all; of protocols and families that this package cannot judge, only lengths are.
 */
import { errnoName } from '../errors.ts';
import { decodeAcknowledgement } from './acknowledgement.ts';
import { AttributeReader } from './attributes.ts';
import { decodeMessages, NLMSG_DONE, NLMSG_ERROR } from './message.ts';
import type { NetlinkMessage } from './message.ts';
import { bodyLength, flagNames, typeName } from './names.ts';
import { NETLINK_GENERIC, NETLINK_NETFILTER, NETLINK_ROUTE, protocolName } from './protocol.ts';

const VALUE_BYTES = 32;
const LINE_LENGTH = 2_000;
const DEPTH = 10;
const GENL_ID_CTRL = 16;
const IFLA_LINKINFO = '18';
const IFLA_AF_SPEC = '26';
/** Written without NLA_F_NESTED by rtnetlink, for compatibility. */
const NESTED_IN_LINKS = new Set([IFLA_LINKINFO, '18.2', '18.5', IFLA_AF_SPEC]);

export interface WireLogOptions {
  protocol: number;
  /**
   * Attributes whose values are never printed, as paths of their numbers: "3", "8.*.2" (`*` stands for any). Without the
   * list, a socket of generic netlink prints values of the control family only: other families carry keys.
   */
  secrets?: readonly string[];
}

export type Direction = '>' | '<';

/** Lines of a datagram; one of its own for bytes that are no messages. Never throws. */
export function wireLines(direction: Direction, datagram: Buffer, options: WireLogOptions): string[] {
  const prefix = `${direction} ${protocolName(options.protocol)}`;
  try {
    return decodeMessages(datagram).map((message) => bounded(`${prefix} ${messageText(message, options)}`));
  } catch {
    return [`${prefix} garbled len=${datagram.length}`];
  }
}

function messageText(message: NetlinkMessage, options: WireLogOptions): string {
  const name = typeName(options.protocol, message.type);
  const head = `${name} seq=${message.sequence} flags=${flagNames(name, message.flags)}`;
  return [head, ...payloadText(message, options)].join(' ');
}

function payloadText(message: NetlinkMessage, options: WireLogOptions): string[] {
  const { type, payload } = message;
  if (type === NLMSG_ERROR) return acknowledgementText(message);
  if (type === NLMSG_DONE)
    return payload.length >= 4 && payload.readInt32LE(0) !== 0 ? acknowledgementText(message) : [];
  const body = bodyLength(options.protocol, type);
  if (body === undefined) return [`len=${payload.length}`];
  const attributes = new AttributePrinter(type, options).list(payload.subarray(body), '', DEPTH);
  return [`body=${hex(payload.subarray(0, body))}`, ...(attributes ?? [`garbled len=${payload.length - body}`])];
}

function acknowledgementText(message: NetlinkMessage): string[] {
  const { errno, kernelMessage, offset } = decodeAcknowledgement(message);
  if (errno === 0) return ['OK'];
  const where = offset === undefined ? [] : [`offset=${offset}`];
  return [
    errnoName(errno),
    ...(kernelMessage === '' ? [] : [JSON.stringify(kernelMessage.replace(/[^\x20-\x7e]/g, '?'))]),
    ...where,
  ];
}

class AttributePrinter {
  readonly #isLink: boolean;
  readonly #judged: boolean;
  readonly #secrets: string[][];

  constructor(type: number, { protocol, secrets }: WireLogOptions) {
    this.#isLink = protocol === NETLINK_ROUTE && type < 20;
    this.#secrets = (secrets ?? []).map((path) => path.split('.'));
    const known = [NETLINK_ROUTE, NETLINK_NETFILTER].includes(protocol);
    this.#judged = secrets !== undefined || known || (protocol === NETLINK_GENERIC && type === GENL_ID_CTRL);
  }

  /** Undefined for bytes that are no attributes. */
  list(bytes: Buffer, path: string, depth: number): string[] | undefined {
    const reader = new AttributeReader(bytes);
    const texts: string[] = [];
    while (reader.next()) {
      const own = path === '' ? `${reader.type}` : `${path}.${reader.type}`;
      texts.push(`${reader.type}=${this.#value(reader, own, depth)}`);
    }
    return reader.error ? undefined : texts;
  }

  #value({ data, nested }: AttributeReader, path: string, depth: number): string {
    const secret = this.#secrecy(path);
    if (secret === 'is') return `secret(${data.length})`;
    // On the way to a secret it is looked into whatever its flag says, and nothing is shown of what cannot be read.
    if (nested || secret === 'holds' || (this.#isLink && NESTED_IN_LINKS.has(path))) {
      const inner = depth > 0 ? this.list(data, path, depth - 1) : undefined;
      return inner ? `{${inner.join(' ')}}` : `len(${data.length})`;
    }
    return this.#judged ? valueText(data) : `len(${data.length})`;
  }

  #secrecy(path: string): 'is' | 'holds' | 'none' {
    const steps = path.split('.');
    let holds = false;
    for (const secret of this.#secrets) {
      const matches = steps.every((step, i) => secret[i] === '*' || secret[i] === step);
      if (matches && steps.length === secret.length) return 'is';
      holds ||= matches;
    }
    return holds ? 'holds' : 'none';
  }
}

/** Text in quotes where it is printable and ends with its zero, else hexadecimal. */
function valueText(data: Buffer): string {
  const text = data.subarray(0, -1);
  const printable = text.length > 0 && data.at(-1) === 0 && text.every((byte) => byte >= 0x20 && byte < 0x7f);
  if (!printable) return hex(data);
  const more = text.length > VALUE_BYTES ? '...' : '';
  return JSON.stringify(text.toString('latin1', 0, VALUE_BYTES) + more);
}

function hex(data: Buffer): string {
  const shown = data.toString('hex', 0, VALUE_BYTES);
  return data.length > VALUE_BYTES ? `${shown}...(${data.length})` : shown || '-';
}

function bounded(line: string): string {
  return line.length > LINE_LENGTH ? `${line.slice(0, LINE_LENGTH)}...` : line;
}
