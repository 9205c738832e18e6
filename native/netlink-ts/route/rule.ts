/** Rules of policy routing, which choose a packet's routing table: RTM_*RULE, struct fib_rule_hdr and FRA_*. */
import { DecodeError } from '../errors.ts';
import { AttributeWriter, readAttributes } from '../wire/attributes.ts';
import type { Attribute, AttributeReader } from '../wire/attributes.ts';
import { familyOf, ipBytes, ipText } from '../wire/text.ts';
import { AF_INET, AF_INET6 } from './constants.ts';

const HEADER = 12;
const FRA_DST = 1;
const FRA_SRC = 2;
const FRA_IIFNAME = 3;
const FRA_GOTO = 4;
const FRA_PRIORITY = 6;
const FRA_FWMARK = 10;
const FRA_SUPPRESS_PREFIXLEN = 14;
const FRA_TABLE = 15;
const FRA_FWMASK = 16;
const FRA_OIFNAME = 17;
const FRA_PROTOCOL = 21;

const FIB_RULE_INVERT = 2;
const RTPROT_STATIC = 4;
const WHOLE_MARK = 0xffffffff;
/** What the kernel dumps where a rule does not suppress. */
const NO_SUPPRESSION = 0xffffffff;

const ACTIONS = { lookup: 1, goto: 2, nop: 3, blackhole: 6, unreachable: 7, prohibit: 8 } as const;

export type RoutingRuleAction = keyof typeof ACTIONS;

interface Selector {
  family: 4 | 6;
  /** the lower is asked first; the kernel chooses one before all others when left out */
  priority?: number;
  /** CIDR text */
  from?: string;
  /** CIDR text */
  to?: string;
  /** name of the incoming interface; `lo` for packets of the host's own */
  iif?: string;
  oif?: string;
  mark?: number;
  /** bits of the mark that count; all of them when left out */
  mask?: number;
  tos?: number;
  /** true: it holds for all other packets */
  invert?: boolean;
}

export interface RoutingRule extends Selector {
  priority: number;
  /** a number that this library has no name for: FR_ACT_* */
  action: RoutingRuleAction | number;
  /** 0 where the action looks nothing up */
  table: number;
  /** priority of the rule that a `goto` goes to */
  goto?: number;
  /** routes of a prefix this long or shorter do not count: 0 leaves out default routes */
  suppressPrefixLength?: number;
  /** who made it: RTPROT_* */
  protocol: number;
  /** FIB_RULE_* */
  flags: number;
  other: Attribute[];
}

export interface RoutingRuleSpec extends Selector {
  /** `lookup` when left out */
  action?: RoutingRuleAction;
  /** of a `lookup` */
  table?: number;
  goto?: number;
  suppressPrefixLength?: number;
  /** RTPROT_STATIC when left out */
  protocol?: number;
}

/** For a deletion: what is left out is not compared, so that the first rule that fits goes. */
export type RoutingRuleReference = RoutingRuleSpec;

export function encodeRule(spec: RoutingRuleSpec): Buffer {
  const action = spec.action ?? 'lookup';
  return encode({ ...spec, action, protocol: spec.protocol ?? RTPROT_STATIC });
}

export function encodeRuleReference(reference: RoutingRuleReference): Buffer {
  return encode(reference);
}

function encode(rule: RoutingRuleReference): Buffer {
  const [to, from] = [prefixOf(rule.to, rule.family), prefixOf(rule.from, rule.family)];
  const writer = new AttributeWriter().raw(ruleHeader(rule, to.length, from.length));
  if (to.bytes) writer.bytes(FRA_DST, to.bytes);
  if (from.bytes) writer.bytes(FRA_SRC, from.bytes);
  if (rule.iif !== undefined) writer.string(FRA_IIFNAME, rule.iif);
  if (rule.oif !== undefined) writer.string(FRA_OIFNAME, rule.oif);
  const numbers = [
    [FRA_GOTO, rule.goto],
    [FRA_PRIORITY, rule.priority],
    [FRA_FWMARK, rule.mark],
    [FRA_FWMASK, rule.mask],
    [FRA_SUPPRESS_PREFIXLEN, rule.suppressPrefixLength],
    [FRA_TABLE, rule.table],
  ] as const;
  for (const [type, value] of numbers) if (value !== undefined) writer.u32(type, value);
  if (rule.protocol !== undefined) writer.u8(FRA_PROTOCOL, rule.protocol);
  return writer.finish();
}

function ruleHeader(rule: RoutingRuleReference, to: number, from: number): Buffer {
  const header = Buffer.alloc(HEADER);
  header.writeUInt8(rule.family === 4 ? AF_INET : AF_INET6, 0);
  header.writeUInt8(to, 1);
  header.writeUInt8(from, 2);
  header.writeUInt8(rule.tos ?? 0, 3);
  const table = rule.table ?? 0;
  header.writeUInt8(table < 256 ? table : 0, 4);
  header.writeUInt8(rule.action === undefined ? 0 : ACTIONS[rule.action], 7);
  header.writeUInt32LE(rule.invert ? FIB_RULE_INVERT : 0, 8);
  return header;
}

function prefixOf(cidr: string | undefined, family: 4 | 6): { length: number; bytes?: Buffer } {
  if (cidr === undefined) return { length: 0 };
  const [address = '', length = family === 4 ? '32' : '128'] = cidr.split('/');
  if (familyOf(address) !== family) throw new TypeError(`not of IPv${family}: ${cidr}`);
  return { length: Number(length), bytes: ipBytes(address) };
}

/** A dump's filter: the kernel knows none but the family. */
export function encodeRuleQuery(query: { family?: 4 | 6 }): Buffer {
  const header = Buffer.alloc(HEADER);
  header.writeUInt8(query.family === 4 ? AF_INET : query.family === 6 ? AF_INET6 : 0, 0);
  return header;
}

/** Undefined for families other than IPv4 and IPv6. */
export function decodeRule(payload: Buffer): RoutingRule | undefined {
  if (payload.length < HEADER) throw new DecodeError(`rule: a header of ${payload.length} bytes`);
  const number = payload.readUInt8(0);
  if (number !== AF_INET && number !== AF_INET6) return undefined;
  const flags = payload.readUInt32LE(8);
  const tos = payload.readUInt8(3);
  const rule: RoutingRule = {
    family: number === AF_INET ? 4 : 6,
    priority: 0,
    action: actionOf(payload.readUInt8(7)),
    table: payload.readUInt8(4),
    protocol: 0,
    flags,
    ...(tos === 0 ? {} : { tos }),
    ...((flags & FIB_RULE_INVERT) === 0 ? {} : { invert: true }),
    other: [],
  };
  const lengths = { to: payload.readUInt8(1), from: payload.readUInt8(2) };
  readAttributes('rule', payload.subarray(HEADER), (reader) => decodeAttribute(reader, rule, lengths));
  if (rule.mask === WHOLE_MARK) delete rule.mask;
  return rule;
}

function actionOf(number: number): RoutingRuleAction | number {
  const names = Object.keys(ACTIONS) as RoutingRuleAction[];
  return names.find((name) => ACTIONS[name] === number) ?? number;
}

function decodeAttribute(reader: AttributeReader, rule: RoutingRule, lengths: { to: number; from: number }): void {
  switch (reader.type) {
    case FRA_DST:
      rule.to = `${ipText(reader.bytes())}/${lengths.to}`;
      break;
    case FRA_SRC:
      rule.from = `${ipText(reader.bytes())}/${lengths.from}`;
      break;
    case FRA_IIFNAME:
      rule.iif = reader.string();
      break;
    case FRA_OIFNAME:
      rule.oif = reader.string();
      break;
    case FRA_GOTO:
      rule.goto = reader.u32();
      break;
    case FRA_PRIORITY:
      rule.priority = reader.u32();
      break;
    case FRA_FWMARK:
      rule.mark = reader.u32();
      break;
    case FRA_FWMASK:
      rule.mask = reader.u32();
      break;
    case FRA_SUPPRESS_PREFIXLEN:
      decodeSuppression(reader, rule);
      break;
    case FRA_TABLE:
      rule.table = reader.u32();
      break;
    case FRA_PROTOCOL:
      rule.protocol = reader.u8();
      break;
    default:
      rule.other.push({ type: reader.type, data: Buffer.from(reader.bytes()) });
  }
}

function decodeSuppression(reader: AttributeReader, rule: RoutingRule): void {
  const length = reader.u32();
  if (length !== NO_SUPPRESSION) rule.suppressPrefixLength = length;
}
