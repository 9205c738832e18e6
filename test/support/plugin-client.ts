/** dockerd's client of the plugin socket: what goes over the wire, and what becomes of it when the connection breaks. */
import { once } from 'node:events';
import { request } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';
import { connect } from 'node:net';

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Record<string, unknown>;
}

/**
 * `lost`: done, but the connection breaks before the answer. `unheard`: it breaks before anything is done. `cut`: dockerd's
 * end breaks, and the retry meets the first try still at work. `twice`: the same request on two connections at once.
 *
 * Go's retry sends the reader of the body again, which is at its end by then: the retry has no body.
 */
export type Fate = 'answered' | 'lost' | 'unheard' | 'cut' | 'twice';

const DEADLINE = 15_000;

/** `body` '' is of zero length. An empty Host is what 20.10 sends. */
export function post(socketPath: string, method: string, body: string, host = ''): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = { host, accept: 'application/vnd.docker.plugins.v1.2+json', 'user-agent': 'Go-http-client/1.1' };
    const outgoing = request(
      { socketPath, path: `/${method}`, method: 'POST', setHost: false, headers, timeout: DEADLINE, agent: false },
      (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
        incoming.on('error', reject);
        incoming.on('end', () => {
          const read = JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>;
          resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: read });
        });
      },
    );
    outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer to ${method}`)));
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

/** The request arrives whole; nobody waits for what becomes of it. */
async function postAndCut(socketPath: string, method: string, body: string, host: string): Promise<void> {
  const socket = connect(socketPath);
  await once(socket, 'connect');
  const head = [`POST /${method} HTTP/1.1`, `Host: ${host}`, `Content-Length: ${Buffer.byteLength(body)}`, '', ''];
  await new Promise<void>((resolve, reject) => {
    socket.on('error', () => undefined);
    socket.write(head.join('\r\n') + body, (error) => (error ? reject(error) : resolve()));
  });
  socket.destroy();
}

/** What dockerd shows its user: "remote: ..." */
export class RemoteError extends Error {}

interface Setup {
  socketPath: string;
  host: string;
  fateOf?: ((method: string) => Fate) | undefined;
  /** told of a request that was answered in two ways */
  complain?: (text: string) => void;
}

export class PluginClient {
  readonly #socketPath: string;
  readonly #host: string;
  readonly #fateOf: (method: string) => Fate;

  readonly #complain: (text: string) => void;

  constructor({ socketPath, host, fateOf = () => 'answered', complain = () => undefined }: Setup) {
    this.#socketPath = socketPath;
    this.#host = host;
    this.#fateOf = fateOf;
    this.#complain = complain;
  }

  /** Throws `RemoteError` for an error in the answer, under the key that this half of the protocol reads. */
  async call(method: string, body?: object): Promise<Record<string, unknown>> {
    const { status, body: answer } = await this.#send(method, body === undefined ? '' : JSON.stringify(body));
    const error = method.startsWith('IpamDriver.') && status === 200 ? answer.Error : answer.Err;
    if (typeof error === 'string' && error !== '') throw new RemoteError(`remote: ${method}: ${error}`);
    if (status !== 200) throw new RemoteError(`${method}: ${JSON.stringify(answer)}`);
    return answer;
  }

  async #send(method: string, text: string): Promise<Answer> {
    const ask = (body: string) => post(this.#socketPath, method, body, this.#host);
    switch (this.#fateOf(method)) {
      case 'answered':
        return await ask(text);
      case 'lost':
        await ask(text);
        return await ask('');
      case 'unheard':
        return await ask('');
      case 'cut':
        await postAndCut(this.#socketPath, method, text, this.#host);
        return await ask('');
      case 'twice': {
        const [one, two] = await Promise.all([ask(text), ask(text)]);
        const [first, second] = [one.body.Err === undefined, two.body.Err === undefined];
        // an address asked for by name is had once
        if (first !== second && method !== 'IpamDriver.RequestAddress') {
          this.#complain(`${method} twice: ${JSON.stringify([one.body, two.body])}`);
        }
        return first ? one : two;
      }
    }
  }
}
