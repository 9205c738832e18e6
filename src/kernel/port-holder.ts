/** Which process has a port of this host, from /proc: for messages only, so what cannot be read is left out. */
import { readdir, readlink } from 'node:fs/promises';
import { endianness } from 'node:os';
import { addressHex } from 'netlink-ts';
import type { Place } from '../model/ports/places.ts';
import { ANY, familyOf } from '../model/ports/places.ts';
import { textOf } from './host-facts/files.ts';

const LISTEN = '0A';
/** IPv4 within IPv6, before its four bytes */
const MAPPED = '::ffff:0:0';

/** A line of /proc/net/tcp and its like. */
export interface SocketLine {
  /** as it is printed */
  address: string;
  port: number;
  state: string;
  /** "0": the socket belongs to nobody any more */
  inode: string;
}

/** "nginx (pid 812)"; undefined when no socket in the way belongs to a process. */
export async function holderOfPort(place: Place): Promise<string | undefined> {
  for (const table of tablesOf(place)) {
    const inodes = socketsAt(await textOf(`/proc/net/${table}`), place);
    // Of a socket of IPv6 /proc does not tell whether it takes IPv4 too: it is named only when nobody else is in the way.
    if (inodes.length > 0) return await processWith(new Set(inodes));
  }
  return undefined;
}

function tablesOf({ protocol, address }: Place): string[] {
  if (protocol === 'sctp') return [];
  return familyOf(address) === 4 ? [protocol, `${protocol}6`] : [`${protocol}6`];
}

export function socketLines(table: string): SocketLine[] {
  const lines = table.split('\n').slice(1);
  return lines.flatMap((line) => {
    const [, local = '', , state = '', , , , , , inode = '0'] = line.trim().split(/\s+/);
    const [address = '', port = ''] = local.split(':');
    return address === '' ? [] : [{ address, port: parseInt(port, 16), state, inode }];
  });
}

/**
 * Inodes of the sockets in a table of /proc/net that have the port on this address or on all, or on any for all. What we
 * hold of IPv6 is of IPv6 alone; what others have of it is in the way of IPv4 where it is "::", or IPv4 written so.
 */
export function socketsAt(table: string, { protocol, address, port }: Place): string[] {
  const family = familyOf(address);
  const [wanted, any4, any6] = [addressInTable(address), addressInTable(ANY[4]), addressInTable(ANY[6])];
  const mapped = addressInTable(MAPPED).slice(0, 24);
  const isInTheWay = (one: string) => {
    if (one === any6) return true;
    const v4 = one.length === 8 ? one : one.startsWith(mapped) ? one.slice(24) : undefined;
    if ((v4 === undefined) !== (family === 6)) return false;
    return address === ANY[family] || v4 === any4 || (v4 ?? one) === wanted;
  };
  return socketLines(table)
    .filter((one) => one.port === port && one.inode !== '0' && (protocol !== 'tcp' || one.state === LISTEN))
    .filter((one) => isInTheWay(one.address))
    .map(({ inode }) => inode);
}

/** As /proc/net prints it: words of 32 bits in the byte order of the machine. */
function addressInTable(address: string): string {
  const bytes = Buffer.from(addressHex(address), 'hex');
  return (endianness() === 'LE' ? bytes.swap32() : bytes).toString('hex').toUpperCase();
}

/** "NAME (pid N)"; processes that end while we look, or that we may not look into, are passed over. */
export async function processWith(inodes: ReadonlySet<string>): Promise<string | undefined> {
  const wanted = new Set([...inodes].map((inode) => `socket:[${inode}]`));
  for (const pid of (await namesIn('/proc')).filter((name) => /^\d+$/.test(name))) {
    for (const fd of await namesIn(`/proc/${pid}/fd`)) {
      const target = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => '');
      if (wanted.has(target)) return `${(await textOf(`/proc/${pid}/comm`)).trim() || 'a process'} (pid ${pid})`;
    }
  }
  return undefined;
}

async function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => []);
}
