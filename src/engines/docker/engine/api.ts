/**
 * The few calls of the Docker Engine API that following an engine needs, from API 1.41 (20.10) on. Paths bear no version,
 * so that each engine answers in its own: the fields read here are the same in all of them.
 */
import { z } from 'zod';
import { WeftError } from '../../../model/errors.ts';
import { EngineTransport } from './transport.ts';
import type { Answer } from './transport.ts';

const strings = z
  .record(z.string(), z.string())
  .nullish()
  .transform((map) => map ?? {});

const info = z.object({
  ID: z.string().default(''),
  ServerVersion: z.string().default(''),
  LiveRestoreEnabled: z.boolean().default(false),
});

const network = z.object({ Id: z.string(), Name: z.string(), Driver: z.string(), Labels: strings });

const container = z.object({
  Id: z.string(),
  Names: z
    .array(z.string())
    .nullish()
    .transform((names) => names ?? []),
  Image: z.string().default(''),
  State: z.string().default(''),
  Labels: strings,
  NetworkSettings: z
    .object({ Networks: z.record(z.string(), z.object({ NetworkID: z.string(), EndpointID: z.string() })).nullish() })
    .nullish(),
});

const networkDetail = z.object({
  Id: z.string(),
  Name: z.string(),
  Driver: z.string(),
  Options: strings,
  IPAM: z.object({ Driver: z.string().default(''), Options: strings }),
  Containers: z.record(z.string(), z.object({ EndpointID: z.string(), Name: z.string().default('') })).nullish(),
});

const event = z.object({
  Type: z.string().default(''),
  Action: z.string().default(''),
  Actor: z.object({ ID: z.string().default(''), Attributes: strings }).prefault({}),
});

const refusal = z.object({ message: z.string() });

export type EngineInfo = z.output<typeof info>;
export type DockerNetwork = z.output<typeof network>;
export type DockerNetworkDetail = z.output<typeof networkDetail>;
export type DockerContainer = z.output<typeof container>;
export type DockerEvent = z.output<typeof event>;

export interface NetworkCreation {
  Name: string;
  Driver: string;
  Internal: boolean;
  EnableIPv4: boolean;
  EnableIPv6: boolean;
  IPAM: { Driver: string; Config: { Subnet: string; Gateway: string }[]; Options: Record<string, string> };
  Options: Record<string, string>;
  Labels: Record<string, string>;
}

/** Failures: `engine-away`, or `engine-refused` with the engine's own words. */
export class EngineApi {
  readonly #transport: EngineTransport;

  constructor(socketPath: string) {
    this.#transport = new EngineTransport(socketPath);
  }

  async info(signal: AbortSignal): Promise<EngineInfo> {
    return info.parse(accept('info', await this.#transport.call('GET', '/info', { signal })));
  }

  async networks(signal: AbortSignal): Promise<DockerNetwork[]> {
    return z.array(network).parse(accept('list networks', await this.#transport.call('GET', '/networks', { signal })));
  }

  /** undefined when there is none of this id or name. */
  async network(id: string, signal?: AbortSignal): Promise<DockerNetworkDetail | undefined> {
    const answer = await this.#transport.call('GET', `/networks/${encodeURIComponent(id)}`, signal ? { signal } : {});
    if (answer.status === 404) return undefined;
    return networkDetail.parse(accept(`inspect network ${id}`, answer));
  }

  /** `CheckDuplicate`: engines before 25 make a second network of the same name otherwise. Returns the engine's id. */
  async createNetwork(request: NetworkCreation, signal: AbortSignal): Promise<string> {
    const body = { ...request, CheckDuplicate: true };
    const answer = await this.#transport.call('POST', '/networks/create', { body, signal });
    return z.object({ Id: z.string() }).parse(accept(`create network ${request.Name}`, answer)).Id;
  }

  /** What is gone already counts as removed. */
  async removeNetwork(id: string, signal: AbortSignal): Promise<void> {
    const answer = await this.#transport.call('DELETE', `/networks/${encodeURIComponent(id)}`, { signal });
    if (answer.status !== 404) accept(`remove network ${id.slice(0, 12)}`, answer);
  }

  async disconnect(networkId: string, containerId: string, signal: AbortSignal): Promise<void> {
    const path = `/networks/${encodeURIComponent(networkId)}/disconnect`;
    const answer = await this.#transport.call('POST', path, { body: { Container: containerId, Force: true }, signal });
    if (answer.status !== 404) accept(`disconnect ${containerId.slice(0, 12)}`, answer);
  }

  /** All containers, also stopped ones, or those of these ids. */
  async containers(signal: AbortSignal, ids?: string[]): Promise<DockerContainer[]> {
    const filters = ids ? `&filters=${encodeURIComponent(JSON.stringify({ id: ids }))}` : '';
    const answer = await this.#transport.call('GET', `/containers/json?all=1${filters}`, { signal });
    return z.array(container).parse(accept('list containers', answer));
  }

  /** Of containers and networks, from the call on; ends with `engine-away` when the engine does. */
  async *events(signal: AbortSignal, onOpen: () => void): AsyncIterable<DockerEvent> {
    const filters = encodeURIComponent(JSON.stringify({ type: ['container', 'network'] }));
    for await (const line of this.#transport.lines(`/events?filters=${filters}`, signal, onOpen)) {
      const parsed = event.safeParse(line);
      if (parsed.success) yield parsed.data;
    }
  }

  close(): Promise<void> {
    return this.#transport.close();
  }
}

function accept(what: string, answer: Answer): unknown {
  if (answer.status >= 200 && answer.status < 300) return answer.body;
  const said = refusal.safeParse(answer.body);
  throw new WeftError('engine-refused', `${what}: ${said.success ? said.data.message : `HTTP ${answer.status}`}`);
}
