/**
 * WireGuard devices of one namespace: their keys and peers. The devices themselves are links of kind "wireguard".
 * ENOENT where the kernel has no WireGuard (before 5.6, or without the module), EOPNOTSUPP for a link that is none.
 */
import type { RequestOptions, SocketOptions } from '../../socket/socket.ts';
import { GenericSocket } from '../generic-socket.ts';
import { encodeDeviceChange } from './change.ts';
import type { WireguardChange } from './change.ts';
import { decodeDevice, encodeDeviceReference } from './device.ts';
import type { DeviceReference, WireguardDevice } from './device.ts';

const FAMILY = 'wireguard';
const VERSION = 1;
const WG_CMD_GET_DEVICE = 0;
const WG_CMD_SET_DEVICE = 1;
/** WGDEVICE_A_PRIVATE_KEY, and WGPEER_A_PRESHARED_KEY in each of WGDEVICE_A_PEERS: never in a wire log */
const SECRETS = ['3', '8.*.2'];

type Options = Omit<RequestOptions, 'op'>;

export class WireguardSocket {
  readonly #generic: GenericSocket;

  private constructor(generic: GenericSocket) {
    this.#generic = generic;
  }

  /** Needs CAP_NET_ADMIN in the namespace. */
  static open(options: Omit<SocketOptions, 'secrets'> = {}): WireguardSocket {
    return new WireguardSocket(GenericSocket.open({ ...options, secrets: SECRETS }));
  }

  close(): void {
    this.#generic.close();
  }

  /** Without private and preshared keys, unless they are asked for. */
  async get(reference: DeviceReference, options: Options & { secrets?: boolean } = {}): Promise<WireguardDevice> {
    const { secrets = false, ...rest } = options;
    const op = `read wireguard device ${nameOf(reference)}`;
    const payload = encodeDeviceReference(reference);
    const request = { family: FAMILY, version: VERSION, command: WG_CMD_GET_DEVICE, payload };
    const parts = await this.#generic.dump(request, { ...rest, op });
    const device = decodeDevice(parts.map((part) => part.payload));
    return secrets ? device : withoutSecrets(device);
  }

  /** A change of many peers takes several messages, and a refusal of one leaves those before it carried out. */
  async set(reference: DeviceReference, change: WireguardChange, options?: Options): Promise<void> {
    const op = `change wireguard device ${nameOf(reference)}`;
    for (const payload of encodeDeviceChange(reference, change)) {
      const request = { family: FAMILY, version: VERSION, command: WG_CMD_SET_DEVICE, payload };
      await this.#generic.request(request, { ...options, op });
    }
  }
}

function nameOf(reference: DeviceReference): string | number {
  return 'name' in reference ? reference.name : reference.index;
}

function withoutSecrets(device: WireguardDevice): WireguardDevice {
  const found = { ...device, peers: device.peers.map((peer) => ({ ...peer })) };
  delete found.privateKey;
  for (const peer of found.peers) delete peer.presharedKey;
  return found;
}
