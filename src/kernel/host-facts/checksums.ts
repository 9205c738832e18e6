/** What the kernel counted of packets whose checksum was wrong: it drops them without a word to anybody else. */
import { setImmediate as turn } from 'node:timers/promises';
import { NetlinkError, openNamespace, readCounters } from 'netlink-ts';
import type { Namespace } from 'netlink-ts';
import type { FactsWish, HostFacts } from '../../model/host-facts.ts';

/** Of the host itself, where outer packets count, and of each container, where inner ones do. */
export async function checksums(sandboxes: FactsWish['sandboxes']): Promise<HostFacts['checksums']> {
  const found: HostFacts['checksums'] = [{ endpoint: undefined, ...counted(undefined) }];
  for (const { endpoint, path } of sandboxes) {
    // Each takes a thread or two that are waited for; others have their turn between a thousand of them.
    await turn();
    const inside = unlessGone(() => countedIn(path));
    if (inside) found.push({ endpoint, ...inside });
  }
  return found;
}

function countedIn(path: string): { came: number; wrong: number } {
  const namespace = openNamespace(path);
  try {
    return counted(namespace);
  } finally {
    namespace.close();
  }
}

function counted(namespace: Namespace | undefined): { came: number; wrong: number } {
  return wrongIn(`${readCounters(namespace, 'snmp')}${unlessGone(() => readCounters(namespace, 'snmp6')) ?? ''}`);
}

/** The container has ended, or its kernel has no such counters. */
function unlessGone<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof NetlinkError) return undefined;
    throw error;
  }
}

/**
 * Of TCP, whose counters are those of both families, and of UDP. `text`: /proc/net/snmp, which has a line of names and one of
 * values for each protocol, and snmp6, which has a name and a value in each line.
 */
export function wrongIn(text: string): { came: number; wrong: number } {
  const counters = new Map<string, number>();
  for (const [, protocol, names = '', values = ''] of text.matchAll(/^(Tcp|Udp): ([A-Z].*)\n\1: (.*)\n/gm)) {
    const numbers = values.split(' ');
    names.split(' ').forEach((name, i) => counters.set(`${protocol}${name}`, Number(numbers[i])));
  }
  for (const [, name = '', value] of text.matchAll(/^(Udp6\w+)\s+(\d+)\n/gm)) counters.set(name, Number(value));
  const sum = (...names: string[]) => names.reduce((total, name) => total + (counters.get(name) ?? 0), 0);
  const wrong = sum('TcpInCsumErrors', 'UdpInCsumErrors', 'Udp6InCsumErrors');
  // UDP counts those that are well, TCP all.
  return { came: sum('TcpInSegs', 'UdpInDatagrams', 'UdpInCsumErrors', 'Udp6InDatagrams', 'Udp6InCsumErrors'), wrong };
}
