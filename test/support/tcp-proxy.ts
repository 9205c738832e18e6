/** Between a client and a server on loopback: passes bytes on, or loses them, without either end being told. */
import { once } from 'node:events';
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';

/** `silent`: connections stay open and are accepted, and nothing gets through; `refused`: they are torn down */
export type ProxyMode = 'open' | 'silent' | 'answers-lost' | 'refused';

interface Pair {
  client: Socket;
  server: Socket;
}

export interface TcpProxyOptions {
  target: number;
  /** the mode of a connection, by the port it comes from; the proxy's own when left out */
  modeOf?: (clientPort: number) => ProxyMode;
}

export class TcpProxy {
  readonly port: number;
  readonly #server: Server;
  readonly #options: TcpProxyOptions;
  readonly #pairs = new Set<Pair>();
  #mode: ProxyMode = 'open';

  private constructor(server: Server, options: TcpProxyOptions) {
    this.#server = server;
    this.#options = options;
    this.port = (server.address() as AddressInfo).port;
    server.on('connection', (client) => this.#accept(client));
  }

  static async open(options: TcpProxyOptions): Promise<TcpProxy> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new TcpProxy(server, options);
  }

  get connections(): number {
    return this.#pairs.size;
  }

  set(mode: ProxyMode): void {
    this.#mode = mode;
    this.apply();
  }

  /** Looks at the mode of each connection again. */
  apply(): void {
    for (const pair of this.#pairs) this.#obey(pair);
  }

  async close(): Promise<void> {
    this.set('refused');
    this.#server.close();
    await once(this.#server, 'close');
  }

  #accept(client: Socket): void {
    if (this.#mode === 'refused') {
      client.resetAndDestroy();
      return;
    }
    const pair = { client, server: connect(this.#options.target, '127.0.0.1') };
    this.#pairs.add(pair);
    const end = (): void => {
      this.#pairs.delete(pair);
      client.destroy();
      pair.server.destroy();
    };
    for (const [from, to] of [
      [client, pair.server],
      [pair.server, client],
    ] as const) {
      from.setNoDelay(true);
      from.on('data', (chunk) => to.write(chunk));
      from.on('error', end).on('close', end);
    }
    this.#obey(pair);
  }

  #obey(pair: Pair): void {
    const mode = this.#options.modeOf?.(pair.client.remotePort ?? 0) ?? this.#mode;
    if (mode === 'refused') pair.client.resetAndDestroy();
    if (mode === 'silent') pair.client.pause();
    else pair.client.resume();
    if (mode === 'open') pair.server.resume();
    else pair.server.pause();
  }
}
