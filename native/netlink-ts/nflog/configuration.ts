/** What a socket wants of a log group: NFULNL_MSG_CONFIG. */
import { encodeHeader, messageType, NFNL_SUBSYS_ULOG, NFPROTO_UNSPEC } from '../nfnetlink/header.ts';
import { AttributeWriter } from '../wire/attributes.ts';

export const NFULNL_MSG_CONFIG = messageType(NFNL_SUBSYS_ULOG, 1);

const NFULA_CFG_CMD = 1;
const NFULA_CFG_MODE = 2;
const NFULA_CFG_NLBUFSIZ = 3;
const NFULA_CFG_TIMEOUT = 4;
const NFULA_CFG_QTHRESH = 5;
const NFULA_CFG_FLAGS = 6;

const NFULNL_CFG_CMD_BIND = 1;
const NFULNL_COPY_META = 1;
const NFULNL_COPY_PACKET = 2;
const NFULNL_CFG_F_SEQ = 0x1;
const NFULNL_CFG_F_SEQ_GLOBAL = 0x2;
const NFULNL_CFG_F_CONNTRACK = 0x4;

const MODE_LENGTH = 6;
const LARGEST_GROUP = 0xffff;
/** 128 bytes hold the headers of whatever is tracked. */
const DEFAULT_RANGE = 128;

export interface LogConfiguration {
  /** of the rules' `log group N` */
  group: number;
  /** bytes of each packet, from its network header on; 0 for none. 128 unless given; a rule's `snaplen` can ask for less */
  range?: number;
  /** packets that the kernel gathers before it sends them; 100 unless given. A rule's `queue-threshold` can ask for less */
  threshold?: number;
  /** milliseconds after which it sends what it has gathered; 1,000 unless given, counted in hundredths of a second */
  timeout?: number;
  /** bytes that it gathers at most; one page unless given */
  bufferSize?: number;
  /** each packet with its number among those of all groups of the namespace */
  globalSequence?: boolean;
  /** each packet with the connection it belongs to; EOPNOTSUPP without CONFIG_NETFILTER_NETLINK_GLUE_CT */
  conntrack?: boolean;
}

/** Binds and configures in one message. Every packet has its number within the group: a gap is a loss. */
export function encodeLogConfiguration(configuration: LogConfiguration): Buffer {
  const { group, range = DEFAULT_RANGE, threshold, timeout, bufferSize } = configuration;
  if (!Number.isInteger(group) || group < 0 || group > LARGEST_GROUP) throw new RangeError(`not a log group: ${group}`);
  const writer = new AttributeWriter().raw(encodeHeader({ family: NFPROTO_UNSPEC, resource: group }));
  writer.u8(NFULA_CFG_CMD, NFULNL_CFG_CMD_BIND).bytes(NFULA_CFG_MODE, encodeMode(range));
  if (bufferSize !== undefined) writer.be32(NFULA_CFG_NLBUFSIZ, bufferSize);
  if (timeout !== undefined) writer.be32(NFULA_CFG_TIMEOUT, Math.ceil(timeout / 10));
  if (threshold !== undefined) writer.be32(NFULA_CFG_QTHRESH, threshold);
  return writer.be16(NFULA_CFG_FLAGS, flagsOf(configuration)).finish();
}

/** struct nfulnl_msg_config_mode */
function encodeMode(range: number): Buffer {
  const mode = Buffer.alloc(MODE_LENGTH);
  mode.writeUInt32BE(range, 0);
  mode.writeUInt8(range === 0 ? NFULNL_COPY_META : NFULNL_COPY_PACKET, 4);
  return mode;
}

function flagsOf({ globalSequence, conntrack }: LogConfiguration): number {
  return NFULNL_CFG_F_SEQ | (globalSequence ? NFULNL_CFG_F_SEQ_GLOBAL : 0) | (conntrack ? NFULNL_CFG_F_CONNTRACK : 0);
}
