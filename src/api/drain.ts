import type { Server } from '@grpc/grpc-js';

/** Calls in progress get this long when the server is closed: milliseconds. */
const DRAIN = 3_000;

export async function drain(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => {
      server.forceShutdown();
      resolve();
    }, DRAIN);
    server.tryShutdown(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
