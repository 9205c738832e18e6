/** A WireGuard device as WG_CMD_GET_DEVICE tells of it: a dump whose parts each have some of the peers. */
import type { Attribute } from '../../wire/attributes.ts';
import { AttributeWriter, readAttributes } from '../../wire/attributes.ts';
import { keyTextUnlessZero } from './key.ts';
import { decodePeer } from './peer.ts';
import type { WireguardPeer } from './peer.ts';

export const WGDEVICE_A_IFINDEX = 1;
export const WGDEVICE_A_IFNAME = 2;
export const WGDEVICE_A_PRIVATE_KEY = 3;
const WGDEVICE_A_PUBLIC_KEY = 4;
export const WGDEVICE_A_FLAGS = 5;
export const WGDEVICE_A_LISTEN_PORT = 6;
export const WGDEVICE_A_FWMARK = 7;
export const WGDEVICE_A_PEERS = 8;

export type DeviceReference = { index: number } | { name: string };

export interface WireguardDevice {
  index: number;
  name: string;
  privateKey?: string;
  /** absent until there is a private key */
  publicKey?: string;
  /** 0 when the device is down and none was chosen */
  listenPort: number;
  /** of the packets that it sends, 0 for none */
  mark: number;
  peers: WireguardPeer[];
  other: Attribute[];
}

export function encodeDeviceReference(reference: DeviceReference): Buffer {
  const writer = new AttributeWriter();
  if ('index' in reference) writer.u32(WGDEVICE_A_IFINDEX, reference.index);
  else writer.string(WGDEVICE_A_IFNAME, reference.name);
  return writer.finish();
}

/** Of all the parts of one dump, in their order. The device's own attributes are in the first only. */
export function decodeDevice(parts: readonly Buffer[]): WireguardDevice {
  const device: WireguardDevice = { index: 0, name: '', listenPort: 0, mark: 0, peers: [], other: [] };
  for (const part of parts) decodePart(part, device);
  return device;
}

function decodePart(part: Buffer, device: WireguardDevice): void {
  readAttributes('device', part, (reader) => {
    switch (reader.type) {
      case WGDEVICE_A_IFINDEX:
        device.index = reader.u32();
        break;
      case WGDEVICE_A_IFNAME:
        device.name = reader.string();
        break;
      case WGDEVICE_A_PRIVATE_KEY:
        Object.assign(device, presentKey('privateKey', reader.bytes()));
        break;
      case WGDEVICE_A_PUBLIC_KEY:
        Object.assign(device, presentKey('publicKey', reader.bytes()));
        break;
      case WGDEVICE_A_LISTEN_PORT:
        device.listenPort = reader.u16();
        break;
      case WGDEVICE_A_FWMARK:
        device.mark = reader.u32();
        break;
      case WGDEVICE_A_PEERS:
        readAttributes('peers', reader.bytes(), (list) => addPeer(device.peers, decodePeer(list.bytes())));
        break;
      default:
        device.other.push({ type: reader.type, data: reader.bytes() });
    }
  });
}

function presentKey(name: 'privateKey' | 'publicKey', bytes: Buffer): Partial<WireguardDevice> {
  const key = keyTextUnlessZero(bytes);
  return key === undefined ? {} : { [name]: key };
}

/** A peer whose allowed addresses did not fit is told of again, with its key and the rest of them. */
function addPeer(peers: WireguardPeer[], peer: WireguardPeer): void {
  const last = peers.at(-1);
  if (last?.publicKey === peer.publicKey) last.allowedIps.push(...peer.allowedIps);
  else peers.push(peer);
}
