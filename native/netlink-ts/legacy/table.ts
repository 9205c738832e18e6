/** Tables of iptables-legacy, which nftables does not show: the kernel hands them out as options of a raw socket. */
import type { Namespace } from '../namespace/namespace.ts';
import { named } from '../namespace/namespace.ts';
import { addon } from '../socket/addon.ts';
import { decodeTable, INFO_LENGTH, tableSize } from './decode.ts';
import type { LegacyFamily, LegacyTable } from './decode.ts';

/** AF_INET and SOL_IP, AF_INET6 and SOL_IPV6 */
const SOCKETS = { 4: { domain: 2, level: 0 }, 6: { domain: 10, level: 41 } } as const;
/** IPT_SO_GET_INFO, IPT_SO_GET_ENTRIES; those of IPv6 have the same numbers */
const GET_INFO = 64;
const GET_ENTRIES = 65;
/** of struct ipt_get_entries: the table's name, its size, and a gap before the rules */
const NAME_LENGTH = 32;
const HEAD_LENGTH = 40;

/**
 * `table`: "filter", "nat" ... Asking makes an empty one where its module is there, so ask for what /proc/net/ip_tables_names
 * (ip6_tables_names) has; needs CAP_NET_ADMIN and CAP_NET_RAW. Throws ENOENT for a table that is not there, EAGAIN when it was changed meanwhile.
 */
export function readLegacyTable(family: LegacyFamily, table: string, netns?: Namespace): LegacyTable {
  const { domain, level } = SOCKETS[family];
  const read = (option: number, buffer: Buffer) => addon().readOption(netns?.fd ?? -1, domain, level, option, buffer);
  if (table.length >= NAME_LENGTH) throw new RangeError(`not a table of iptables: ${table}`);
  try {
    const info = Buffer.alloc(INFO_LENGTH);
    info.write(table);
    read(GET_INFO, info);
    const size = tableSize(info);
    const entries = Buffer.alloc(HEAD_LENGTH + size);
    entries.write(table);
    entries.writeUInt32LE(size, NAME_LENGTH);
    read(GET_ENTRIES, entries);
    return decodeTable(family, info, entries.subarray(HEAD_LENGTH));
  } catch (error) {
    throw named(`read the table ${table} of iptables-legacy`, error);
  }
}
