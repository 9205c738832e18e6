import { readFileSync, readdirSync, readlinkSync } from 'node:fs';

/** Which of some processes has the TCP connection (IPv4) from local port `from` to port `to`. */
export function ownerOf(from: number, to: number, pids: number[]): number | undefined {
  const hex = (port: number): string => `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  for (const line of readFileSync('/proc/net/tcp', 'utf8').split('\n').slice(1)) {
    const [, local, remote, , , , , , , inode] = line.trim().split(/\s+/);
    if (!local?.endsWith(hex(from)) || !remote?.endsWith(hex(to))) continue;
    return pids.find((pid) => descriptors(pid).includes(`socket:[${inode}]`));
  }
  return undefined;
}

function descriptors(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).map((fd) => linkOf(`/proc/${pid}/fd/${fd}`));
  } catch {
    return [];
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
