/**
 * Packets that show whether the overlay's way between two hosts is open, and for which sizes. A probe is VXLAN as a member sends
 * it, from the VTEP to the other's VTEP and port, but for its VNI, which no network has: the other's guard notes it and drops it
 * before it is decapsulated.
 */
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import type { NftSocket } from 'netlink-ts';
import type { Probe, SeenProbe } from '../plan/probes.ts';
import { PROBES_SET, PROBE_VNI, WEFT_TABLE } from './guard-tables.ts';

const HEADER = { ipv4: 20, ipv6: 40, udp: 8, vxlan: 8 } as const;
/** I: the VNI counts (RFC 7348) */
const FLAGS = 0x08;

/** The kernel sets DF on what fits the interface, so a router on the way drops what is too large for it. */
export async function sendProbe({ from, to, port, mac, bytes }: Probe): Promise<void> {
  const ip = to.includes(':') ? HEADER.ipv6 : HEADER.ipv4;
  const payload = randomBytes(bytes - ip - HEADER.udp);
  payload.writeUInt32BE(FLAGS * 2 ** 24, 0);
  payload.writeUInt32BE(PROBE_VNI * 2 ** 8, 4);
  // the inner frame's source
  Buffer.from(mac.replaceAll(':', ''), 'hex').copy(payload, HEADER.vxlan + 6);
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

/** Undefined while there is no guard, and so no overlay to probe. */
export async function readProbes(nft: NftSocket, vtep: string): Promise<SeenProbe[] | undefined> {
  const table = await nft.readTable(WEFT_TABLE, { counters: true });
  const set = table?.sets.find(({ name }) => name === PROBES_SET);
  const length = vtep.includes(':') ? 16 : 4;
  return set?.elements.map(({ key }) => {
    const bytes = Buffer.from(key, 'hex');
    const mac = [...bytes.subarray(length, length + 6)].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
    return { source: bytes.subarray(0, length).toString('hex'), mac };
  });
}
