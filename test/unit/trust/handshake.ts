import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { nodeIdOf } from '../../../src/trust/identity.ts';

interface Side {
  ca: string;
  key?: string;
  cert?: string;
}

/** Connects a client to a server that demands certificates; who each took the other for, or why it failed. */
export async function handshake(
  serverSide: Side,
  clientSide: Side,
): Promise<{ seenByServer: string; seenByClient: string }> {
  const server = createServer({ ...serverSide, requestCert: true, rejectUnauthorized: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const refused = once(server, 'tlsClientError').then(([error]) => Promise.reject(error as Error));
  const accepted = once(server, 'secureConnection').then(([socket]) => socket as TLSSocket);
  const client = connect({ ...clientSide, host: '127.0.0.1', port: (server.address() as AddressInfo).port });
  try {
    await Promise.race([once(client, 'secureConnect'), refused]);
    const socket = await Promise.race([accepted, refused]);
    const seen = { seenByServer: peerOf(socket), seenByClient: peerOf(client) };
    socket.destroy();
    return seen;
  } finally {
    refused.catch(() => undefined);
    accepted.catch(() => undefined);
    client.on('error', () => undefined);
    client.destroy();
    server.close();
  }
}

function peerOf(socket: TLSSocket): string {
  const certificate = socket.getPeerX509Certificate();
  return certificate ? nodeIdOf(certificate) : '';
}
