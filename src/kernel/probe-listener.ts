/**
 * Notes probes of the overlay's way where no guard does: on a host without a network. It listens for a few seconds after each
 * question, and is out of the way at once when a VXLAN device needs the port.
 */
import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import type { SeenProbe } from '../plan/probes.ts';
import { macOfProbe } from './probes.ts';

/** milliseconds; longer than a sender asks for its probes */
const PATIENCE = 10_000;
const MOST_PROBES = 1_024;

interface Listening {
  socket: Socket;
  address: string;
  /** false: the port is taken, or the address is gone */
  ready: Promise<boolean>;
  /** by source and MAC: each comes several times */
  seen: Map<string, SeenProbe>;
  end: NodeJS.Timeout;
}

export class ProbeListener {
  #listening: Listening | undefined;

  /** What came since it was first asked; undefined where it cannot listen. */
  async seen(address: string, port: number): Promise<SeenProbe[] | undefined> {
    if (this.#listening?.address !== address) this.close();
    const { ready, seen, end } = (this.#listening ??= this.#listen(address, port));
    end.refresh();
    return (await ready) ? [...seen.values()] : undefined;
  }

  /** The port is free when this returns. */
  close(): void {
    clearTimeout(this.#listening?.end);
    this.#listening?.socket.close();
    this.#listening = undefined;
  }

  #listen(address: string, port: number): Listening {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    const seen: Listening['seen'] = new Map();
    socket.on('message', (payload, { address: source }) => {
      const mac = macOfProbe(payload);
      if (mac !== undefined && seen.size < MOST_PROBES) seen.set(`${source} ${mac}`, { source, mac });
    });
    const ready = new Promise<boolean>((resolve) => {
      socket.once('listening', () => resolve(true));
      socket.once('close', () => resolve(false));
    });
    const close = () => {
      if (this.#listening?.socket === socket) this.close();
    };
    socket.on('error', close);
    socket.bind({ address, port, exclusive: true });
    return { socket, address, ready, seen, end: setTimeout(close, PATIENCE).unref() };
  }
}
