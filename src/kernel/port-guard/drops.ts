/** How many frames and packets of each endpoint were dropped, and why. */
import { NetlinkError } from 'netlink-ts';
import type { NftSet, NftSocket, SetElement, Table } from 'netlink-ts';
import type { PortDrops } from '../../plan/kernel-port.ts';
import { FRAME_DROPS } from '../../plan/port-guard/intent.ts';
import type { DropReason } from '../../plan/port-guard/intent.ts';
import { refusedSet } from '../ceilings.ts';
import { WEFT_TABLE } from '../guard-tables.ts';
import { dropSet, SETS } from './sets.ts';
import { PORT_GUARD_TABLE } from './table.ts';

/** bytes of an interface's name in a key; of a MAC, padded to whole words */
const [NAME, MAC] = [16, 8];

/** By port. Counts begin with the table, and end a day after the last frame, or with the port: see sets.ts. */
export async function readDrops(nft: NftSocket): Promise<Map<string, PortDrops>> {
  const table = await nft.readTable(PORT_GUARD_TABLE, { counters: true });
  const drops = new Map<string, PortDrops>();
  const note = (port: string, reason: DropReason, packets: number) => {
    const had = drops.get(port);
    drops.set(port, { ...had, [reason]: (had?.[reason] ?? 0) + packets });
  };
  for (const reason of FRAME_DROPS) {
    for (const [key, packets] of packetsOf(table, dropSet(reason))) note(nameOf(key), reason, packets);
  }
  const routed = await nft.readTable(WEFT_TABLE, { counters: true });
  for (const family of [4, 6] as const) {
    const refused = packetsOf(routed, refusedSet(family));
    const ports = refused.length > 0 ? portsByAddress(table, family) : new Map<string, string>();
    for (const [address, packets] of refused) {
      const port = ports.get(address);
      // Else the endpoint is gone.
      if (port !== undefined) note(port, 'connections', packets);
    }
  }
  return drops;
}

/**
 * Counts of ports that the guard does not know. Else each short-lived container whose kernel said something as it went would keep
 * its elements for a day, and sets that are full count for nobody.
 */
export async function forgetDrops(nft: NftSocket): Promise<void> {
  const table = await nft.readTable(PORT_GUARD_TABLE, { counters: true });
  const ports = new Set(setOf(table, SETS.macs)?.elements.map(portOf));
  const changes = FRAME_DROPS.map(dropSet).map((set) => {
    const gone = setOf(table, set)?.elements.filter((element) => !ports.has(portOf(element))) ?? [];
    return { set, add: [], delete: gone.map(({ key }) => ({ key })) };
  });
  try {
    await nft.changeElements(
      PORT_GUARD_TABLE,
      changes.filter((change) => change.delete.length > 0),
    );
  } catch (error) {
    // one of them had its time meanwhile: the others are left to the next look
    if (!(error instanceof NetlinkError && error.code === 'ENOENT')) throw error;
  }
}

function portOf({ key }: SetElement): string {
  return key.slice(0, NAME * 2);
}

/** Whose each address is: of those that may be its source, the one that does not merely claim it beside its holder. */
function portsByAddress(table: Table | undefined, family: 4 | 6): Map<string, string> {
  const keysOf = (set: string) => setOf(table, set)?.elements.map(({ key }) => key) ?? [];
  const claims = new Set(keysOf(family === 4 ? SETS.claims4 : SETS.claims6));
  const sources = keysOf(family === 4 ? SETS.sources4 : SETS.sources6).filter((key) => !claims.has(key));
  return new Map(sources.map((key) => [key.slice((NAME + MAC) * 2), nameOf(key.slice(0, NAME * 2))]));
}

function packetsOf(table: Table | undefined, name: string): [key: string, packets: number][] {
  const { elements } = setOf(table, name) ?? { elements: [] };
  return elements.flatMap(({ key, expressions = [] }) => {
    const counter = expressions.find((one) => one.kind === 'counter');
    const packets = Number(counter?.packets ?? 0n);
    return packets > 0 ? [[key, packets]] : [];
  });
}

function setOf(table: Table | undefined, name: string): NftSet | undefined {
  return table?.sets.find((set) => set.name === name);
}

/** The interface's name, padded with zeros. */
function nameOf(key: string): string {
  return Buffer.from(key, 'hex').toString('latin1').replace(/\0+$/, '');
}
