/**
 * Packets that show whether the overlay's way between two hosts is open, and for which sizes. A probe is VXLAN as a member sends
 * it, from the VTEP to the other's VTEP and port, but for its VNI, which no network has: the other's guard notes it and drops it
 * before it is decapsulated. A host without a guard listens itself (probe-listener.ts).
 */
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import type { NftSocket } from 'netlink-ts';
import { formatAddress } from '../model/address/address.ts';
import type { Probe, SeenProbe } from '../plan/probes.ts';
import { PROBES_SET, PROBE_VNI, WEFT_TABLE } from './guard-tables.ts';

const HEADER = { ipv4: 20, ipv6: 40, udp: 8, vxlan: 8 } as const;
/** in what UDP carries: of VXLAN's header, and of the Ethernet header after it */
const VNI = 4;
const MAC = HEADER.vxlan + 6;
const MAC_END = MAC + 6;
/** I: the VNI counts (RFC 7348) */
const FLAGS = 0x08;

/** The kernel sets DF on what fits the interface, so a router on the way drops what is too large for it. */
export async function sendProbe({ from, to, port, mac, bytes }: Probe): Promise<void> {
  const ip = to.includes(':') ? HEADER.ipv6 : HEADER.ipv4;
  const payload = randomBytes(bytes - ip - HEADER.udp);
  payload.writeUInt32BE(FLAGS * 2 ** 24, 0);
  payload.writeUInt32BE(PROBE_VNI * 2 ** 8, VNI);
  Buffer.from(mac.replaceAll(':', ''), 'hex').copy(payload, MAC);
  const socket = createSocket(to.includes(':') ? 'udp6' : 'udp4');
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.bind(0, from, () => {
        socket.send(payload, port, to, (error) => (error ? reject(error) : resolve()));
      });
    });
  } finally {
    socket.close();
  }
}

/** The inner frame's source; undefined for what is no probe. */
export function macOfProbe(payload: Buffer): string | undefined {
  const isProbe = payload.length >= MAC_END && payload.readUIntBE(VNI, 3) === PROBE_VNI;
  return isProbe ? macText(payload.subarray(MAC, MAC_END)) : undefined;
}

/** Undefined while there is no guard. */
export async function readProbes(nft: NftSocket, vtep: string): Promise<SeenProbe[] | undefined> {
  const table = await nft.readTable(WEFT_TABLE, { counters: true });
  const set = table?.sets.find(({ name }) => name === PROBES_SET);
  const length = vtep.includes(':') ? 16 : 4;
  return set?.elements.map(({ key }) => {
    const bytes = Buffer.from(key, 'hex');
    const source = { family: length === 4 ? 4 : 6, value: BigInt(`0x${key.slice(0, 2 * length)}`) } as const;
    return { source: formatAddress(source), mac: macText(bytes.subarray(length, length + 6)) };
  });
}

function macText(bytes: Buffer): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}
