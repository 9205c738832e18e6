/** A Docker engine as its API shows it: networks, containers, events; with answers that fail, and ends, on demand. */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DockerContainer, DockerNetwork, NetworkCreation } from '../../src/engines/docker/engine/api.ts';

/** What an engine tells beside what is the same in all of them. */
export interface Edition {
  version: string;
  /** of the engine, of a network, and of what a container is in it */
  info: object;
  network: object;
  endpoint: object;
  /** Engines before 25 make a second network of a name, unless they are asked to look. */
  unique: boolean;
}

const NETWORK = { Scope: 'local', EnableIPv6: false, Attachable: false, Containers: {}, ConfigFrom: { Network: '' } };
const ENDPOINT = { IPAMConfig: null, Links: null, Aliases: null, IPAddress: '10.1.0.2', DriverOpts: null };

/** By API version; from 1.44 on they differ in what is passed over here. */
export const EDITIONS = {
  1.41: {
    version: '20.10.24+dfsg1',
    info: { SystemTime: '2026-01-01T00:00:00Z', KernelMemory: true, ClusterStore: '', ClusterAdvertise: '' },
    network: NETWORK,
    endpoint: ENDPOINT,
    unique: false,
  },
  1.52: {
    version: '29.1.3',
    info: {
      CDISpecDirs: ['/etc/cdi'],
      Containerd: { Address: '/run/containerd/containerd.sock' },
      FirewallBackend: {},
    },
    network: { ...NETWORK, EnableIPv4: true },
    endpoint: { ...ENDPOINT, MacAddress: '02:00:00:00:00:01', DNSNames: ['web'], GwPriority: 0 },
    unique: true,
  },
} satisfies Record<string, Edition>;

export class FakeEngine {
  networks: DockerNetwork[] = [];
  containers: DockerContainer[] = [];
  /** answers of this path get this status and message */
  readonly refusals = new Map<string, { status: number; message: string }>();
  readonly calls: string[] = [];
  /** what happens while the engine thinks of its answer */
  meanwhile: (call: string) => Promise<void> = () => Promise.resolve();
  readonly #streams = new Set<ServerResponse>();
  #server: Server | undefined;
  #folder = '';
  #made = 0;
  readonly #edition: Edition;

  constructor(edition: Edition = EDITIONS[1.41]) {
    this.#edition = edition;
  }

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
    const Networks = Object.fromEntries(endpoints.map((ids, i) => [`net${i}`, { ...this.#edition.endpoint, ...ids }]));
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
    await this.meanwhile(call);
    const refusal = this.refusals.get(call);
    if (refusal) return reply(response, refusal.status, { message: refusal.message });
    if (call === 'GET /events') {
      response.writeHead(200).flushHeaders();
      this.#streams.add(response);
      response.on('close', () => this.#streams.delete(response));
      return;
    }
    const filters = JSON.parse(searchParams.get('filters') ?? '{}') as { id?: string[] };
    const { info, version, network, unique } = this.#edition;
    if (call === 'GET /info')
      return reply(response, 200, { ...info, ID: 'E1', ServerVersion: version, LiveRestoreEnabled: true });
    if (call === 'GET /networks') {
      const shown = this.networks.map((one) => ({ ...network, ...one }));
      return reply(response, 200, shown);
    }
    if (call === 'GET /containers/json') {
      const shown = this.containers.filter(({ Id }) => !filters.id || filters.id.includes(Id));
      return reply(response, 200, shown);
    }
    if (call === 'POST /networks/create') {
      const asked = await bodyOf(request);
      const known = this.networks.some(({ Name }) => Name === asked.Name);
      if (known && (unique || asked.CheckDuplicate))
        return reply(response, 409, { message: `network with name ${asked.Name} already exists` });
      return reply(response, 201, this.#create(asked));
    }
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

async function bodyOf(request: IncomingMessage): Promise<NetworkCreation & { CheckDuplicate?: boolean }> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString('utf8')) as NetworkCreation & { CheckDuplicate?: boolean };
}
