/** Names of messages and flags as the kernel spells them, for the wire log: nothing is decided by them. */
import * as flag from './message.ts';
import { NETLINK_GENERIC, NETLINK_NETFILTER, NETLINK_ROUTE } from './protocol.ts';

const CONTROL = ['', 'NLMSG_NOOP', 'NLMSG_ERROR', 'NLMSG_DONE', 'NLMSG_OVERRUN'];
const FIRST_FAMILY = 16;

/** linux/rtnetlink.h numbers them in fours: NEW, DEL, GET, SET. */
const ROUTE_OBJECTS = ['LINK', 'ADDR', 'ROUTE', 'NEIGH', 'RULE', 'QDISC', 'TCLASS', 'TFILTER', 'ACTION', 'PREFIX'];
const ROUTE_LATER: Partial<Record<number, string>> = { 12: 'NEIGHTBL', 16: 'NSID', 22: 'NEXTHOP', 23: 'LINKPROP' };
const ROUTE_VERBS = ['NEW', 'DEL', 'GET', 'SET'];

const NFT = [
  ...['NEWTABLE', 'GETTABLE', 'DELTABLE', 'NEWCHAIN', 'GETCHAIN', 'DELCHAIN', 'NEWRULE', 'GETRULE', 'DELRULE'],
  ...['NEWSET', 'GETSET', 'DELSET', 'NEWSETELEM', 'GETSETELEM', 'DELSETELEM', 'NEWGEN', 'GETGEN', 'TRACE'],
  ...['NEWOBJ', 'GETOBJ', 'DELOBJ', 'GETOBJ_RESET', 'NEWFLOWTABLE', 'GETFLOWTABLE', 'DELFLOWTABLE', 'GETRULE_RESET'],
];
const CONNTRACK = ['NEW', 'GET', 'DELETE', 'GET_CTRZERO', 'GET_STATS_CPU', 'GET_STATS', 'GET_DYING', 'GET_UNCONFIRMED'];
/** linux/netfilter/nfnetlink.h: NFNL_SUBSYS_* */
const SUBSYSTEMS: Partial<Record<number, { name: string; messages: string[] }>> = {
  1: { name: 'IPCTNL_MSG_CT', messages: CONNTRACK },
  4: { name: 'NFULNL_MSG', messages: ['PACKET', 'CONFIG'] },
  10: { name: 'NFT_MSG', messages: NFT },
};
const BATCH: Partial<Record<number, string>> = { 16: 'NFNL_MSG_BATCH_BEGIN', 17: 'NFNL_MSG_BATCH_END' };

export function typeName(protocol: number, type: number): string {
  if (type < FIRST_FAMILY) return CONTROL[type] ?? `type ${type}`;
  if (protocol === NETLINK_ROUTE) return routeName(type);
  if (protocol === NETLINK_NETFILTER) return netfilterName(type);
  return protocol === NETLINK_GENERIC && type === FIRST_FAMILY ? 'GENL_ID_CTRL' : `type ${type}`;
}

function routeName(type: number): string {
  const object = (type - FIRST_FAMILY) >> 2;
  const name = ROUTE_OBJECTS[object] ?? ROUTE_LATER[object];
  return name === undefined ? `type ${type}` : `RTM_${ROUTE_VERBS[type & 3] ?? ''}${name}`;
}

function netfilterName(type: number): string {
  const subsystem = SUBSYSTEMS[type >> 8];
  const message = type & 0xff;
  if (subsystem) return `${subsystem.name}_${subsystem.messages[message] ?? message}`;
  return BATCH[type] ?? `type ${type >> 8}.${message}`;
}

const ANY: [number, string][] = [
  [flag.NLM_F_REQUEST, 'REQUEST'],
  [flag.NLM_F_MULTI, 'MULTI'],
  [flag.NLM_F_ACK, 'ACK'],
  [0x8, 'ECHO'],
  [flag.NLM_F_DUMP_INTR, 'DUMP_INTR'],
  [0x20, 'DUMP_FILTERED'],
];
/** The upper bits mean one thing in a reading request, another in a changing one, a third in an acknowledgement. */
const READING: [number, string][] = [
  [flag.NLM_F_ROOT, 'ROOT'],
  [flag.NLM_F_MATCH, 'MATCH'],
];
const CHANGING: [number, string][] = [
  [flag.NLM_F_REPLACE, 'REPLACE'],
  [flag.NLM_F_EXCL, 'EXCL'],
  [flag.NLM_F_CREATE, 'CREATE'],
  [flag.NLM_F_APPEND, 'APPEND'],
];
const ACKNOWLEDGING: [number, string][] = [
  [flag.NLM_F_CAPPED, 'CAPPED'],
  [flag.NLM_F_ACK_TLVS, 'ACK_TLVS'],
];

/** "REQUEST|ACK|CREATE|EXCL"; bits without a name as a number. */
export function flagNames(name: string, flags: number): string {
  const names = [...ANY, ...upperFlags(name)].filter(([bit]) => (flags & bit) !== 0);
  const rest = names.reduce((left, [bit]) => left & ~bit, flags);
  return [...names.map(([, text]) => text), ...(rest === 0 ? [] : [`0x${rest.toString(16)}`])].join('|') || '0';
}

function upperFlags(name: string): [number, string][] {
  if (/^NLMSG_(ERROR|DONE)$/.test(name)) return ACKNOWLEDGING;
  return /GET|^type|GENL/.test(name) ? READING : CHANGING;
}

/** Bytes between a message's header and its attributes; undefined where this package does not know. */
export function bodyLength(protocol: number, type: number): number | undefined {
  if (protocol === NETLINK_NETFILTER || protocol === NETLINK_GENERIC) return 4;
  if (protocol !== NETLINK_ROUTE) return undefined;
  // ifinfomsg, ifaddrmsg, rtmsg, ndmsg, fib_rule_hdr, tcmsg (three times), tcamsg
  return [16, 8, 12, 12, 12, 20, 20, 20, 4][(type - FIRST_FAMILY) >> 2];
}
