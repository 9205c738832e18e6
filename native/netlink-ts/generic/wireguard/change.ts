/**
 * A change of a WireGuard device: WG_CMD_SET_DEVICE, over as many messages as it takes. An attribute holds 64 KiB at most,
 * and the list of peers is one, as is a peer's list of allowed addresses; the uapi's rules for parts are in
 * linux/wireguard.h: only the first has the device's attributes, and only a peer's first part the peer's.
 */
import { AttributeWriter } from '../../wire/attributes.ts';
import {
  encodeDeviceReference,
  WGDEVICE_A_FLAGS,
  WGDEVICE_A_FWMARK,
  WGDEVICE_A_LISTEN_PORT,
  WGDEVICE_A_PEERS,
  WGDEVICE_A_PRIVATE_KEY,
} from './device.ts';
import type { DeviceReference } from './device.ts';
import { keyBytes } from './key.ts';
import { encodePeer } from './peer.ts';
import type { WireguardPeerChange } from './peer.ts';

const WGDEVICE_F_REPLACE_PEERS = 1 << 0;

/** 256 IPv6 prefixes are 12 KiB. */
const ALLOWED_IPS_OF_A_PART = 256;
const PEERS_BYTES = 32 * 1024;
const NEST_HEADER = 4;
const KEY_LENGTH = 32;

/** What is left out stays as it is. */
export interface WireguardChange {
  /** null takes it away: the device falls silent */
  privateKey?: string | null;
  /** 0 lets the kernel choose */
  listenPort?: number;
  mark?: number;
  peers?: WireguardPeerChange[];
  /** and all others go */
  replacePeers?: boolean;
}

/** In the order in which they must be carried out. Not atomic when they are more than one. */
export function encodeDeviceChange(reference: DeviceReference, change: WireguardChange): Buffer[] {
  const groups = packed((change.peers ?? []).flatMap(partsOf).map(encodePeer));
  return groups.map((peers, place) => {
    const writer = new AttributeWriter().raw(encodeDeviceReference(reference));
    if (place === 0) encodeOwn(writer, change);
    if (peers.length > 0) {
      writer.nestedFlagged(WGDEVICE_A_PEERS, (list) => {
        for (const peer of peers) list.nestedFlagged(0, (one) => one.raw(peer));
      });
    }
    return writer.finish();
  });
}

function encodeOwn(writer: AttributeWriter, { privateKey, listenPort, mark, replacePeers }: WireguardChange): void {
  if (privateKey !== undefined) {
    writer.bytes(WGDEVICE_A_PRIVATE_KEY, privateKey === null ? Buffer.alloc(KEY_LENGTH) : keyBytes(privateKey));
  }
  if (listenPort !== undefined) writer.u16(WGDEVICE_A_LISTEN_PORT, listenPort);
  if (mark !== undefined) writer.u32(WGDEVICE_A_FWMARK, mark);
  if (replacePeers) writer.u32(WGDEVICE_A_FLAGS, WGDEVICE_F_REPLACE_PEERS);
}

function partsOf(peer: WireguardPeerChange): WireguardPeerChange[] {
  const { publicKey, allowedIps = [], updateOnly = false } = peer;
  const parts: WireguardPeerChange[] = [{ ...peer, allowedIps: allowedIps.slice(0, ALLOWED_IPS_OF_A_PART) }];
  for (let at = ALLOWED_IPS_OF_A_PART; at < allowedIps.length; at += ALLOWED_IPS_OF_A_PART) {
    parts.push({ publicKey, updateOnly, allowedIps: allowedIps.slice(at, at + ALLOWED_IPS_OF_A_PART) });
  }
  return parts;
}

/** At least one group, so that a change without peers is a message too. */
function packed(peers: Buffer[]): Buffer[][] {
  const groups: Buffer[][] = [[]];
  let size = 0;
  for (const peer of peers) {
    const length = NEST_HEADER + peer.length;
    if (size > 0 && size + length > PEERS_BYTES) {
      groups.push([]);
      size = 0;
    }
    groups.at(-1)?.push(peer);
    size += length;
  }
  return groups;
}
