/**
 * gRPC connections to one etcd member, over the service stubs of the etcd3 package. Its builders, retry policies and
 * circuit breakers are left aside: they multiply a call's deadline, and hide compaction and transaction boundaries.
 *
 * Each channel has TCP connections of its own (`use_local_subchannel_pool`), so that replacing a channel replaces a
 * connection that hangs, and a probe never queues behind bulk reads.
 */
import type {
  CallOptions as GrpcCallOptions,
  Client,
  ClientDuplexStream,
  ClientReadableStream,
  ClientUnaryCall,
  ServiceError,
} from '@grpc/grpc-js';
import { Metadata } from '@grpc/grpc-js';
import { Etcd3 } from 'etcd3';

export interface TlsFiles {
  /** PEM text */
  ca: string;
  cert: string;
  key: string;
}

export interface ChannelOptions {
  /** asked for each channel anew, so that a renewed certificate is used from then on */
  tls: (() => TlsFiles) | undefined;
  keepaliveMs: number;
}

export type ServiceName = 'KV' | 'Watch' | 'Lease' | 'Cluster' | 'Maintenance';

export interface UnaryCall {
  service: ServiceName;
  method: string;
  request: object;
}

const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;

/** Reaches the stubs, which the package makes but keeps to its own subclasses. */
class Stubs extends Etcd3 {
  stub(service: ServiceName): Promise<Client> {
    return this.pool.withConnection(service, ({ client }) => client);
  }
}

export class Channel {
  readonly #stubs: Stubs;

  constructor(endpoint: string, options: ChannelOptions) {
    const tls = options.tls?.();
    this.#stubs = new Stubs({
      hosts: endpoint,
      ...(tls && {
        credentials: {
          rootCertificate: Buffer.from(tls.ca),
          certChain: Buffer.from(tls.cert),
          privateKey: Buffer.from(tls.key),
        },
      }),
      grpcOptions: {
        'grpc.keepalive_time_ms': options.keepaliveMs,
        'grpc.keepalive_timeout_ms': Math.min(options.keepaliveMs, 2_000),
        // etcd counts pings on a connection without streams as strikes, and hangs up
        'grpc.keepalive_permit_without_calls': 0,
        'grpc.initial_reconnect_backoff_ms': 100,
        'grpc.max_reconnect_backoff_ms': 1_000,
        'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
        'grpc.use_local_subchannel_pool': 1,
        'grpc.enable_http_proxy': 0,
      },
    });
  }

  /**
   * Resolves to the response; rejects with grpc-js' ServiceError, CANCELLED as soon as one of the signals is aborted.
   * `timeout` is in milliseconds, connecting included. Signals are listened to one by one: `AbortSignal.any` over one that
   * lives as long as the store would leave something behind with every call.
   */
  async unary<T>(call: UnaryCall, timeout: number, signals: AbortSignal[]): Promise<T> {
    const client = await this.#stubs.stub(call.service);
    return new Promise<T>((resolve, reject) => {
      const method = (client as unknown as Record<string, UnaryMethod<T>>)[call.method];
      if (!method) throw new TypeError(`etcd has no call ${call.service}.${call.method}`);
      const cancel = (): void => handle.cancel();
      const deadline = Date.now() + timeout;
      const handle = method.call(client, call.request, new Metadata(), { deadline }, (error, response) => {
        for (const signal of signals) signal.removeEventListener('abort', cancel);
        if (error) reject(error);
        else resolve(response as T);
      });
      for (const signal of signals) {
        if (signal.aborted) cancel();
        else signal.addEventListener('abort', cancel, { once: true });
      }
    });
  }

  /** `timeout` in milliseconds; undefined: the stream stays open. */
  async stream<Request, Response>(
    service: ServiceName,
    method: string,
    timeout?: number,
  ): Promise<ClientDuplexStream<Request, Response>> {
    const client = await this.#stubs.stub(service);
    const open = (client as unknown as Record<string, StreamMethod<Request, Response>>)[method];
    if (!open) throw new TypeError(`etcd has no call ${service}.${method}`);
    return open.call(client, new Metadata(), timeout === undefined ? {} : { deadline: Date.now() + timeout });
  }

  /** What one request is answered by, piece by piece; `timeout` in milliseconds is for the whole. */
  async download<Response>(call: UnaryCall, timeout: number): Promise<ClientReadableStream<Response>> {
    const client = await this.#stubs.stub(call.service);
    const open = (client as unknown as Record<string, DownloadMethod<Response>>)[call.method];
    if (!open) throw new TypeError(`etcd has no call ${call.service}.${call.method}`);
    return open.call(client, call.request, new Metadata(), { deadline: Date.now() + timeout });
  }

  /** Calls under way go on to their own ends; the connection goes with the last of them. */
  close(): void {
    this.#stubs.close();
  }
}

type UnaryMethod<T> = (
  request: object,
  metadata: Metadata,
  options: GrpcCallOptions,
  done: (error: ServiceError | null, response?: T) => void,
) => ClientUnaryCall;

type StreamMethod<Request, Response> = (
  metadata: Metadata,
  options: GrpcCallOptions,
) => ClientDuplexStream<Request, Response>;

type DownloadMethod<Response> = (
  request: object,
  metadata: Metadata,
  options: GrpcCallOptions,
) => ClientReadableStream<Response>;
