/** NFT_MSG_*CHAIN. The number of a hook depends on the family: netdev counts its own from 0, ingress of inet is 5. */
import type { AttributeReader, AttributeWriter } from '../../wire/attributes.ts';
import type { BaseChain, Chain, ChainHook, NftFamily } from '../model.ts';
import { nameTable, type NameTable } from '../names.ts';
import { decodeComment, encodeComment } from '../userdata.ts';
import { CREATE, NFT_MSG, nftMessage, openMessage, type NftMessage } from './header.ts';
import type { TableName } from './table.ts';

const NFTA_CHAIN_TABLE = 1;
const NFTA_CHAIN_NAME = 3;
const NFTA_CHAIN_HOOK = 4;
const NFTA_CHAIN_POLICY = 5;
const NFTA_CHAIN_TYPE = 7;
const NFTA_CHAIN_USERDATA = 12;
const NFTA_HOOK_HOOKNUM = 1;
const NFTA_HOOK_PRIORITY = 2;
const NFTA_HOOK_DEV = 3;
const NFTA_HOOK_DEVS = 4;
const NFTA_DEVICE_NAME = 1;

const NF_DROP = 0;
const NF_ACCEPT = 1;

const INET_HOOKS = nameTable<ChainHook>({
  prerouting: 0,
  input: 1,
  forward: 2,
  output: 3,
  postrouting: 4,
  ingress: 5,
  egress: -1,
});
const NETDEV_HOOKS = nameTable<Extract<ChainHook, 'ingress' | 'egress'>>({ ingress: 0, egress: 1 });
const ARP_HOOKS = nameTable<Extract<ChainHook, 'input' | 'output' | 'forward'>>({ input: 0, output: 1, forward: 2 });
const CHAIN_TYPES: readonly BaseChain['type'][] = ['filter', 'nat', 'route'];

function hooksOf(family: NftFamily): NameTable<ChainHook> {
  if (family === 'netdev') return NETDEV_HOOKS;
  return family === 'arp' ? ARP_HOOKS : INET_HOOKS;
}

export function newChain(table: TableName, chain: Chain): NftMessage {
  return nftMessage(NFT_MSG.newChain, CREATE, table.family, (writer) => {
    writer.string(NFTA_CHAIN_TABLE, table.name);
    writer.string(NFTA_CHAIN_NAME, chain.name);
    if (chain.base) writeBase(writer, table.family, chain.base);
    if (chain.comment !== undefined) writer.bytes(NFTA_CHAIN_USERDATA, encodeComment(chain.comment));
  });
}

function writeBase(writer: AttributeWriter, family: NftFamily, base: BaseChain): void {
  writer.string(NFTA_CHAIN_TYPE, base.type);
  writer.be32(NFTA_CHAIN_POLICY, base.policy === 'drop' ? NF_DROP : NF_ACCEPT);
  writer.nestedFlagged(NFTA_CHAIN_HOOK, (hook) => {
    hook.be32(NFTA_HOOK_HOOKNUM, hooksOf(family).number(base.hook));
    hook.be32(NFTA_HOOK_PRIORITY, base.priority >>> 0);
    if (base.devices) writeDevices(hook, base.devices);
  });
}

/** A single device in the attribute that kernels before 5.5 know too. */
function writeDevices(hook: AttributeWriter, devices: readonly string[]): void {
  const [only, second] = devices;
  if (only !== undefined && second === undefined) hook.string(NFTA_HOOK_DEV, only);
  else hook.nestedFlagged(NFTA_HOOK_DEVS, (list) => devices.forEach((name) => list.string(NFTA_DEVICE_NAME, name)));
}

/** Its rules go with it; EBUSY while other rules or elements jump to it. */
export function deleteChain(table: TableName, name: string): NftMessage {
  return nftMessage(NFT_MSG.deleteChain, 0, table.family, (writer) => {
    writer.string(NFTA_CHAIN_TABLE, table.name);
    writer.string(NFTA_CHAIN_NAME, name);
  });
}

export function getChains(table: TableName): NftMessage {
  return nftMessage(NFT_MSG.getChain, 0, table.family);
}

export interface ChainInfo {
  /** undefined: a family without a name here */
  family: NftFamily | undefined;
  table: string;
  /** without its rules */
  chain: Chain;
}

export function decodeChain(payload: Buffer): ChainInfo {
  const { family, attributes } = openMessage(payload);
  let table = '';
  const chain: Chain = { name: '', rules: [] };
  let hook: Pick<BaseChain, 'hook' | 'priority' | 'devices'> | undefined;
  let policy: BaseChain['policy'] = 'accept';
  let type: BaseChain['type'] = 'filter';
  while (attributes.next()) {
    if (attributes.type === NFTA_CHAIN_TABLE) table = attributes.string();
    else if (attributes.type === NFTA_CHAIN_NAME) chain.name = attributes.string();
    else if (attributes.type === NFTA_CHAIN_HOOK) hook = readHook(attributes.children(), family);
    else if (attributes.type === NFTA_CHAIN_POLICY) policy = attributes.be32() === NF_DROP ? 'drop' : 'accept';
    else if (attributes.type === NFTA_CHAIN_TYPE) type = chainType(attributes.string());
    else if (attributes.type === NFTA_CHAIN_USERDATA) {
      const comment = decodeComment(attributes.bytes());
      if (comment !== undefined) chain.comment = comment;
    }
  }
  attributes.check();
  if (hook) chain.base = { type, policy, ...hook };
  return { family, table, chain };
}

function chainType(name: string): BaseChain['type'] {
  return CHAIN_TYPES.find((type) => type === name) ?? 'filter';
}

function readHook(
  reader: AttributeReader,
  family: NftFamily | undefined,
): Pick<BaseChain, 'hook' | 'priority' | 'devices'> | undefined {
  let hook: ChainHook | undefined;
  let priority = 0;
  let devices: string[] | undefined;
  while (reader.next()) {
    if (reader.type === NFTA_HOOK_HOOKNUM) hook = family && hooksOf(family).name(reader.be32());
    else if (reader.type === NFTA_HOOK_PRIORITY) priority = reader.be32() | 0;
    else if (reader.type === NFTA_HOOK_DEV) devices ??= [reader.string()];
    else if (reader.type === NFTA_HOOK_DEVS) devices = readDevices(reader.children());
  }
  reader.check();
  return hook && { hook, priority, ...(devices ? { devices } : {}) };
}

function readDevices(list: AttributeReader): string[] {
  const devices: string[] = [];
  while (list.next()) {
    if (list.type === NFTA_DEVICE_NAME) devices.push(list.string());
  }
  list.check();
  return devices;
}
