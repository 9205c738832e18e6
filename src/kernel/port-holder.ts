/** Which process has a port of this host, from /proc: for messages only, so what cannot be read is left out. */
import { readdir, readFile, readlink } from 'node:fs/promises';
import { endianness } from 'node:os';
import type { Place } from '../model/ports/places.ts';
import { familyOf } from '../model/ports/places.ts';

const LISTEN = '0A';

/** "nginx (pid 812)"; undefined when no socket in the way belongs to a process. */
export async function holderOfPort(place: Place): Promise<string | undefined> {
  const inodes = new Set<string>();
  for (const table of tablesOf(place)) {
    for (const inode of socketsAt(await textOf(`/proc/net/${table}`), place)) inodes.add(inode);
  }
  return inodes.size === 0 ? undefined : await processWith(inodes);
}

/** A socket of IPv6 that takes both families is in the way of IPv4 as well. */
function tablesOf({ protocol, address }: Place): string[] {
  if (protocol === 'sctp') return [];
  return familyOf(address) === 4 ? [protocol, `${protocol}6`] : [`${protocol}6`];
}

/** Inodes of the sockets in a table of /proc/net that have the port on this address or on all, or on any for all. */
export function socketsAt(table: string, { protocol, address, port }: Place): string[] {
  return table
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const [, local = '', , state, , , , , , inode = '0'] = line.trim().split(/\s+/);
      const [where = '', number = ''] = local.split(':');
      if (parseInt(number, 16) !== port || inode === '0') return [];
      if (protocol === 'tcp' && state !== LISTEN) return [];
      const everywhere = (hex: string) => /^0+$/.test(hex);
      const wanted = addressHexOf(address);
      return everywhere(where) || everywhere(wanted) || where.endsWith(wanted) ? [inode] : [];
    });
}

/** As /proc/net prints it: words of 32 bits in the byte order of the machine. */
function addressHexOf(address: string): string {
  if (address.includes(':')) return address === '::' ? '0'.repeat(32) : 'no address in particular';
  const bytes = address.split('.').map((part) => Number(part).toString(16).padStart(2, '0'));
  return (endianness() === 'LE' ? bytes.reverse() : bytes).join('').toUpperCase();
}

async function processWith(inodes: ReadonlySet<string>): Promise<string | undefined> {
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

async function textOf(file: string): Promise<string> {
  return readFile(file, 'utf8').catch(() => '');
}
