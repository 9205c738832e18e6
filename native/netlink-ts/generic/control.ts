/** The controller of generic netlink, family "nlctrl": which families there are, by what numbers they go today. */
import type { Attribute } from '../wire/attributes.ts';
import { AttributeWriter, readAttributes } from '../wire/attributes.ts';
import { decodeGeneric, encodeGeneric } from './header.ts';

/** The one family whose number never changes. */
export const GENL_ID_CTRL = 0x10;

const VERSION = 2;
const CTRL_CMD_GETFAMILY = 3;

const CTRL_ATTR_FAMILY_ID = 1;
const CTRL_ATTR_FAMILY_NAME = 2;
const CTRL_ATTR_VERSION = 3;
const CTRL_ATTR_HDRSIZE = 4;
const CTRL_ATTR_MAXATTR = 5;
const CTRL_ATTR_OPS = 6;
const CTRL_ATTR_MCAST_GROUPS = 7;

const CTRL_ATTR_OP_ID = 1;
const CTRL_ATTR_OP_FLAGS = 2;
const CTRL_ATTR_MCAST_GRP_NAME = 1;
const CTRL_ATTR_MCAST_GRP_ID = 2;

/** needs CAP_NET_ADMIN */
export const GENL_ADMIN_PERM = 0x01;
export const GENL_CMD_CAP_DO = 0x02;
export const GENL_CMD_CAP_DUMP = 0x04;
export const GENL_CMD_CAP_HASPOL = 0x08;
/** needs CAP_NET_ADMIN in the user namespace of the network namespace */
export const GENL_UNS_ADMIN_PERM = 0x10;

export interface GenericFamily {
  /** what its messages have for a type; another one after its module was loaded again */
  id: number;
  name: string;
  version: number;
  /** bytes of the family's own header, before the attributes */
  headerLength: number;
  /** highest attribute, 0 when each command has its own */
  maximumAttribute: number;
  /** `flags` are GENL_* */
  commands: { id: number; flags: number }[];
  /** multicast, by the number to join */
  groups: { id: number; name: string }[];
  other: Attribute[];
}

/** One family, or with an empty reference (in a dump) all that the namespace has. */
export function encodeFamilyQuery(reference: { name?: string; id?: number } = {}): Buffer {
  const writer = new AttributeWriter();
  if (reference.name !== undefined) writer.string(CTRL_ATTR_FAMILY_NAME, reference.name);
  if (reference.id !== undefined) writer.u16(CTRL_ATTR_FAMILY_ID, reference.id);
  return encodeGeneric({ command: CTRL_CMD_GETFAMILY, version: VERSION, payload: writer.finish() });
}

export function decodeFamily(bytes: Buffer): GenericFamily {
  const family: GenericFamily = {
    id: 0,
    name: '',
    version: 0,
    headerLength: 0,
    maximumAttribute: 0,
    commands: [],
    groups: [],
    other: [],
  };
  readAttributes('family', decodeGeneric(bytes).payload, (reader) => {
    switch (reader.type) {
      case CTRL_ATTR_FAMILY_ID:
        family.id = reader.u16();
        break;
      case CTRL_ATTR_FAMILY_NAME:
        family.name = reader.string();
        break;
      case CTRL_ATTR_VERSION:
        family.version = reader.u32();
        break;
      case CTRL_ATTR_HDRSIZE:
        family.headerLength = reader.u32();
        break;
      case CTRL_ATTR_MAXATTR:
        family.maximumAttribute = reader.u32();
        break;
      case CTRL_ATTR_OPS:
        family.commands = decodeList('commands', reader.bytes(), decodeCommand);
        break;
      case CTRL_ATTR_MCAST_GROUPS:
        family.groups = decodeList('groups', reader.bytes(), decodeGroup);
        break;
      default:
        family.other.push({ type: reader.type, data: reader.bytes() });
    }
  });
  return family;
}

/** Lists are nests whose members have their place for a type. */
function decodeList<T>(context: string, buffer: Buffer, decode: (buffer: Buffer) => T): T[] {
  const list: T[] = [];
  readAttributes(context, buffer, (reader) => list.push(decode(reader.bytes())));
  return list;
}

function decodeCommand(buffer: Buffer): { id: number; flags: number } {
  const command = { id: 0, flags: 0 };
  readAttributes('command', buffer, (reader) => {
    if (reader.type === CTRL_ATTR_OP_ID) command.id = reader.u32();
    else if (reader.type === CTRL_ATTR_OP_FLAGS) command.flags = reader.u32();
  });
  return command;
}

function decodeGroup(buffer: Buffer): { id: number; name: string } {
  const group = { id: 0, name: '' };
  readAttributes('group', buffer, (reader) => {
    if (reader.type === CTRL_ATTR_MCAST_GRP_NAME) group.name = reader.string();
    else if (reader.type === CTRL_ATTR_MCAST_GRP_ID) group.id = reader.u32();
  });
  return group;
}
