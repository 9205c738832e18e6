/**
 * weft.v1 for the other nodes and for hosts that join: TLS on the node's underlay address. Client certificates are asked
 * for but not demanded by TLS, since a joining host has none; who shows none gets no further than Join.
 */
import { experimental, Server } from '@grpc/grpc-js';
import { hostPort } from '../model/address/address.ts';
import { describeCause, WeftError } from '../model/errors.ts';
import { MESSAGE_LIMIT } from './definition.ts';
import { drain } from './drain.ts';
import { serviceErrors } from './errors.ts';
import { addServices } from './implementation.ts';
import type { ImplementOptions } from './implementation.ts';
import { gatekeeper } from './peers.ts';
import type { IdentifyNode } from './peers.ts';

type CertificateProvider = Parameters<typeof experimental.createCertificateProviderServerCredentials>[0];

export interface TcpServerOptions extends ImplementOptions {
  address: string;
  port: number;
  certificates: CertificateProvider;
  identify: IdentifyNode;
}

export interface TcpServer {
  /** The port: the kernel's choice where 0 was asked for. */
  readonly port: number;
  /** To be called when nodes were forgotten: ends the calls that those have open. */
  lookAgain(): void;
  /** Another address of this host, on the same port; calls that came by the former end by themselves. */
  listenAt(address: string): Promise<void>;
  close(): Promise<void>;
}

/** A peer that is gone without a word must not hold its streams here for ever. */
const KEEPALIVE = { 'grpc.keepalive_time_ms': 10_000, 'grpc.keepalive_timeout_ms': 5_000 };

export async function startTcpServer(options: TcpServerOptions): Promise<TcpServer> {
  const { address, port, certificates, identify, nodeName } = options;
  const { interceptor, lookAgain } = gatekeeper(identify, serviceErrors(nodeName));
  const server = new Server({
    ...KEEPALIVE,
    'grpc.max_receive_message_length': MESSAGE_LIMIT,
    'grpc.max_send_message_length': MESSAGE_LIMIT,
    'grpc.max_concurrent_streams': 256,
    interceptors: [interceptor],
  });
  const closing = new AbortController();
  addServices(server, options, closing.signal);
  const credentials = experimental.createCertificateProviderServerCredentials(certificates, certificates, false);
  const listen = async (at: string) =>
    await new Promise<number>((resolve, reject) => {
      server.bindAsync(at, credentials, (error, chosen) => {
        if (!error) return resolve(chosen);
        reject(
          new WeftError('configuration-invalid', `api.port: cannot listen on ${at}: ${describeCause(error)}`, {
            object: 'api.port',
            next: `see who does: ss -Hlntp sport = :${port}`,
          }),
        );
      });
    });
  const bound = await listen(hostPort(address, port));
  let at = hostPort(address, bound);
  return {
    port: bound,
    lookAgain,
    listenAt: async (other) => {
      const next = hostPort(other, bound);
      if (next === at) return;
      await listen(next);
      server.unbind(at);
      at = next;
    },
    close: async () => {
      closing.abort();
      await drain(server);
    },
  };
}
