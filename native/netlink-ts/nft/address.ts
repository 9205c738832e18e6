/** An IP address of text as the bytes that stand in a packet: 4 or 16 of them. Throws RangeError for anything else. */
import { isIPv4, isIPv6 } from 'node:net';

export function addressBytes(text: string): Buffer {
  if (isIPv4(text)) return Buffer.from(text.split('.').map(Number));
  if (!isIPv6(text) || text.includes('%')) throw new RangeError(`not an IP address: ${text}`);
  const [head = '', tail] = ipv4TailAsGroups(text).split('::');
  const before = groups(head);
  const after = groups(tail ?? '');
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => 0);
  const bytes = Buffer.alloc(16);
  [...before, ...(tail === undefined ? [] : zeros), ...after].forEach((group, i) => bytes.writeUInt16BE(group, i * 2));
  return bytes;
}

function groups(text: string): number[] {
  return text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
}

/** "::ffff:192.0.2.1" as "::ffff:c000:201" */
function ipv4TailAsGroups(text: string): string {
  return text.replace(/\d+\.\d+\.\d+\.\d+$/, (ipv4) => {
    const hex = Buffer.from(ipv4.split('.').map(Number)).toString('hex');
    return `${hex.slice(0, 4)}:${hex.slice(4)}`;
  });
}
