/** The other nodes, over mTLS: one connection each, made when it is first needed. */
import type { ChannelCredentials } from '@grpc/grpc-js';
import type { ExaminationPeers, NodeExamination, SeenProbes } from '../control/examination/port.ts';
import type { PeerPort, SplitAnswer } from '../control/ownership/ports.ts';
import { WeftError } from '../model/errors.ts';
import { connect } from './client.ts';
import type { CallOptions, WeftClient } from './client.ts';
import type { Api } from './definition.ts';

export interface PeerClientOptions {
  api: Api;
  /** "192.0.2.1:7781"; undefined for a node that has not said yet */
  addressOf: (node: string) => string | undefined;
  credentials: (node: string) => ChannelCredentials;
}

interface Connection {
  address: string;
  client: WeftClient;
}

export class PeerClient implements PeerPort, ExaminationPeers {
  readonly #options: PeerClientOptions;
  readonly #connections = new Map<string, Connection>();

  constructor(options: PeerClientOptions) {
    this.#options = options;
  }

  async split(...[node, request, options]: Parameters<PeerPort['split']>): Promise<SplitAnswer> {
    const { network, pool, address, range } = request;
    const { answer } = await this.#to(node).call('SplitSpace', { network, pool, address, range }, options);
    return answer === 'split' || answer === 'moving' ? answer : 'none';
  }

  async applied(...[node, options]: Parameters<PeerPort['applied']>): Promise<{ revision: number }> {
    return (await this.#to(node).call('GetStatus', {}, options)).applied;
  }

  async hint(...[node, hint, options]: Parameters<PeerPort['hint']>): Promise<void> {
    const put = hint.put.map(({ key, value }) => ({ key, value: JSON.stringify(value) }));
    const { sequence, delete: gone, bootId } = hint;
    await this.#to(node).call('Hint', { sequence, put, delete: gone, bootId }, options);
  }

  /** `endpoints`: by which others reach the etcd that this host runs */
  async pointToStore(node: string, endpoints: string[], options: CallOptions): Promise<void> {
    await this.#to(node).call('PointToStore', { endpoints }, options);
  }

  async examineNode(
    ...[node, request, options]: Parameters<ExaminationPeers['examineNode']>
  ): Promise<NodeExamination> {
    return await this.#to(node).call('ExamineNode', request, options);
  }

  async seenProbes(...[node, options]: Parameters<ExaminationPeers['seenProbes']>): Promise<SeenProbes> {
    return await this.#to(node).call('SeenProbes', {}, options);
  }

  /** New calls go over new connections: those that stand may be from an address that this host has no more. */
  renew(): void {
    for (const { client } of this.#connections.values()) client.close();
    this.#connections.clear();
  }

  close(): void {
    this.renew();
  }

  #to(node: string): WeftClient {
    const address = this.#options.addressOf(node);
    if (address === undefined) throw new WeftError('daemon-away', `node ${node} has no address yet`, { object: node });
    const before = this.#connections.get(node);
    if (before?.address === address) return before.client;
    before?.client.close();
    const { api, credentials } = this.#options;
    const client = connect({ api, remote: { address, credentials: credentials(node) } });
    this.#connections.set(node, { address, client });
    return client;
  }
}
