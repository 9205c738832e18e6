/** One peer of a device, as it is read and as it is changed: WGPEER_A_*. */
import { DecodeError } from '../../errors.ts';
import type { Attribute, AttributeReader } from '../../wire/attributes.ts';
import { AttributeWriter, readAttributes } from '../../wire/attributes.ts';
import { decodeAllowedIp, encodeAllowedIp } from './allowed-ip.ts';
import { decodeEndpoint, encodeEndpoint } from './endpoint.ts';
import type { Endpoint } from './endpoint.ts';
import { keyBytes, keyText, keyTextUnlessZero } from './key.ts';

const WGPEER_A_PUBLIC_KEY = 1;
const WGPEER_A_PRESHARED_KEY = 2;
const WGPEER_A_FLAGS = 3;
const WGPEER_A_ENDPOINT = 4;
const WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL = 5;
const WGPEER_A_LAST_HANDSHAKE_TIME = 6;
const WGPEER_A_RX_BYTES = 7;
const WGPEER_A_TX_BYTES = 8;
const WGPEER_A_ALLOWEDIPS = 9;
const WGPEER_A_PROTOCOL_VERSION = 10;

const WGPEER_F_REMOVE_ME = 1 << 0;
const WGPEER_F_REPLACE_ALLOWEDIPS = 1 << 1;
const WGPEER_F_UPDATE_ONLY = 1 << 2;

const TIMESPEC_LENGTH = 16;
const NANOSECONDS = 1_000_000_000n;

export interface WireguardPeer {
  publicKey: string;
  presharedKey?: string;
  /** where it was heard last, or was said to be */
  endpoint?: Endpoint;
  /** seconds, 0 for none */
  keepalive: number;
  /** nanoseconds since 1970; absent when there was none yet */
  lastHandshake?: bigint;
  receivedBytes: bigint;
  sentBytes: bigint;
  allowedIps: string[];
  protocolVersion?: number;
  other: Attribute[];
}

/** What is left out stays as it is. */
export interface WireguardPeerChange {
  publicKey: string;
  /** null takes it away */
  presharedKey?: string | null;
  endpoint?: Endpoint;
  keepalive?: number;
  /** added to those it has, each taken from the peer that had it */
  allowedIps?: string[];
  /** and those it had go */
  replaceAllowedIps?: boolean;
  /** nothing happens when there is no such peer; else it is made */
  updateOnly?: boolean;
  remove?: boolean;
}

export function encodePeer(change: WireguardPeerChange): Buffer {
  const writer = new AttributeWriter().bytes(WGPEER_A_PUBLIC_KEY, keyBytes(change.publicKey));
  const flags = flagsOf(change);
  if (flags !== 0) writer.u32(WGPEER_A_FLAGS, flags);
  const { presharedKey, endpoint, keepalive, allowedIps = [] } = change;
  if (presharedKey === null) writer.bytes(WGPEER_A_PRESHARED_KEY, Buffer.alloc(32));
  else if (presharedKey !== undefined) writer.bytes(WGPEER_A_PRESHARED_KEY, keyBytes(presharedKey));
  if (endpoint) writer.bytes(WGPEER_A_ENDPOINT, encodeEndpoint(endpoint));
  if (keepalive !== undefined) writer.u16(WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, keepalive);
  if (allowedIps.length > 0) {
    writer.nestedFlagged(WGPEER_A_ALLOWEDIPS, (list) => {
      for (const prefix of allowedIps) list.nestedFlagged(0, (one) => one.raw(encodeAllowedIp(prefix)));
    });
  }
  return writer.finish();
}

function flagsOf({ remove, replaceAllowedIps, updateOnly }: WireguardPeerChange): number {
  return (
    (remove ? WGPEER_F_REMOVE_ME : 0) |
    (replaceAllowedIps ? WGPEER_F_REPLACE_ALLOWEDIPS : 0) |
    (updateOnly ? WGPEER_F_UPDATE_ONLY : 0)
  );
}

export function decodePeer(buffer: Buffer): WireguardPeer {
  const peer: WireguardPeer = {
    publicKey: '',
    keepalive: 0,
    receivedBytes: 0n,
    sentBytes: 0n,
    allowedIps: [],
    other: [],
  };
  readAttributes('peer', buffer, (reader) => decodeAttribute(reader, peer));
  return peer;
}

function decodeAttribute(reader: AttributeReader, peer: WireguardPeer): void {
  switch (reader.type) {
    case WGPEER_A_PUBLIC_KEY:
      peer.publicKey = keyText(reader.bytes());
      break;
    case WGPEER_A_PRESHARED_KEY: {
      const key = keyTextUnlessZero(reader.bytes());
      if (key !== undefined) peer.presharedKey = key;
      break;
    }
    case WGPEER_A_ENDPOINT:
      peer.endpoint = decodeEndpoint(reader.bytes());
      break;
    case WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL:
      peer.keepalive = reader.u16();
      break;
    case WGPEER_A_LAST_HANDSHAKE_TIME: {
      const time = decodeTimespec(reader.bytes());
      if (time !== 0n) peer.lastHandshake = time;
      break;
    }
    case WGPEER_A_RX_BYTES:
      peer.receivedBytes = reader.u64();
      break;
    case WGPEER_A_TX_BYTES:
      peer.sentBytes = reader.u64();
      break;
    case WGPEER_A_ALLOWEDIPS:
      readAttributes('allowed ips', reader.bytes(), (list) => peer.allowedIps.push(decodeAllowedIp(list.bytes())));
      break;
    case WGPEER_A_PROTOCOL_VERSION:
      peer.protocolVersion = reader.u32();
      break;
    default:
      peer.other.push({ type: reader.type, data: reader.bytes() });
  }
}

/** struct __kernel_timespec */
function decodeTimespec(bytes: Buffer): bigint {
  if (bytes.length < TIMESPEC_LENGTH) throw new DecodeError(`a time of ${bytes.length} bytes`);
  return bytes.readBigInt64LE(0) * NANOSECONDS + bytes.readBigInt64LE(8);
}
