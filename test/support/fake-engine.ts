/** A Docker engine as its API shows it: networks, containers, events; with answers that fail, and ends, on demand. */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DockerContainer, DockerNetwork, NetworkCreation } from '../../src/engines/docker/engine/api.ts';

export class FakeEngine {
  networks: DockerNetwork[] = [];
  containers: DockerContainer[] = [];
  /** answers of this path get this status and message */
  readonly refusals = new Map<string, { status: number; message: string }>();
  readonly calls: string[] = [];
  readonly #streams = new Set<ServerResponse>();
  #server: Server | undefined;
  #folder = '';
  #made = 0;

  get socketPath(): string {
    return join(this.#folder, 'docker.sock');
  }

  async start(): Promise<void> {
    this.#folder ||= await mkdtemp(join(tmpdir(), 'weft-engine-'));
    const server = createServer((request, response) => void this.#answer(request, response));
    await new Promise<void>((resolve) => server.listen(this.socketPath, resolve));
    this.#server = server;
  }

  /** Every connection breaks, as when dockerd is killed. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (!server) return;
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
    this.#streams.clear();
  }

  async remove(): Promise<void> {
    await this.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }

  get followed(): boolean {
    return this.#streams.size > 0;
  }

  emit(event: object): void {
    for (const stream of this.#streams) stream.write(`${JSON.stringify(event)}\n`);
  }

  container(name: string, endpoints: { NetworkID: string; EndpointID: string }[], Labels = {}): DockerContainer {
    const Networks = Object.fromEntries(endpoints.map((ids, i) => [`net${i}`, ids]));
    return {
      Id: name.padEnd(64, '0'),
      Names: [`/${name}`],
      Image: 'box',
      State: 'running',
      Labels,
      NetworkSettings: { Networks },
    };
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://docker');
    const call = `${request.method ?? ''} ${pathname}`;
    this.calls.push(call);
    const refusal = this.refusals.get(call);
    if (refusal) return reply(response, refusal.status, { message: refusal.message });
    if (call === 'GET /events') {
      response.writeHead(200).flushHeaders();
      this.#streams.add(response);
      response.on('close', () => this.#streams.delete(response));
      return;
    }
    const filters = JSON.parse(searchParams.get('filters') ?? '{}') as { id?: string[] };
    if (call === 'GET /info')
      return reply(response, 200, { ID: 'E1', ServerVersion: '20.10', LiveRestoreEnabled: true });
    if (call === 'GET /networks') return reply(response, 200, this.networks);
    if (call === 'GET /containers/json') {
      const shown = this.containers.filter(({ Id }) => !filters.id || filters.id.includes(Id));
      return reply(response, 200, shown);
    }
    if (call === 'POST /networks/create') return reply(response, 201, this.#create(await bodyOf(request)));
    if (request.method === 'DELETE') {
      this.networks = this.networks.filter(({ Id }) => !pathname.endsWith(Id));
      return reply(response, 204, undefined);
    }
    reply(response, 404, { message: `no such thing: ${call}` });
  }

  #create(asked: NetworkCreation): { Id: string } {
    const Id = `n${(this.#made += 1)}`;
    this.networks.push({ Id, Name: asked.Name, Driver: asked.Driver, Labels: asked.Labels });
    return { Id };
  }
}

function reply(response: ServerResponse, status: number, body: unknown): void {
  response
    .writeHead(status, { 'content-type': 'application/json' })
    .end(body === undefined ? '' : JSON.stringify(body));
}

async function bodyOf(request: IncomingMessage): Promise<NetworkCreation> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString('utf8')) as NetworkCreation;
}
