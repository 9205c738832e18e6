/** How many frames of each endpoint the port guard has dropped. */
import type { NftSocket, NftSet } from 'netlink-ts';
import type { PortDrops } from '../../plan/kernel-port.ts';
import { DROP_REASONS } from '../../plan/port-guard/intent.ts';
import { dropSet } from './sets.ts';
import { PORT_GUARD_TABLE } from './table.ts';

/** By port. Counts begin with the table, and end a day after the last frame: see sets.ts. */
export async function readDrops(nft: NftSocket): Promise<Map<string, PortDrops>> {
  const table = await nft.readTable(PORT_GUARD_TABLE, { counters: true });
  const drops = new Map<string, PortDrops>();
  for (const reason of DROP_REASONS) {
    const set = table?.sets.find(({ name }) => name === dropSet(reason));
    for (const [port, packets] of set ? packetsOf(set) : []) {
      drops.set(port, { ...drops.get(port), [reason]: packets });
    }
  }
  return drops;
}

function packetsOf({ elements }: NftSet): [port: string, packets: number][] {
  return elements.flatMap(({ key, expressions = [] }) => {
    const counter = expressions.find((one) => one.kind === 'counter');
    const packets = Number(counter?.packets ?? 0n);
    return packets > 0 ? [[nameOf(key), packets]] : [];
  });
}

/** The interface's name, padded with zeros. */
function nameOf(key: string): string {
  return Buffer.from(key, 'hex').toString('latin1').replace(/\0+$/, '');
}
