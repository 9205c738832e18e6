/** A plain attach and its detach, without an engine, as what must work whatever else does not. */
import { connect } from '../../src/api/client.ts';
import type { WeftClient } from '../../src/api/client.ts';
import type { EndpointView } from '../../src/control/port.ts';
import type { LabHost } from '../../src/lab/lab.ts';
import { WeftError } from '../../src/model/errors.ts';
import { run } from '../support/docker.ts';
import { NETWORK } from './world.ts';
import type { World } from './world.ts';

const SPARE = '/run/netns/spare';
/** milliseconds for a call, as the command line has */
const DEADLINE = 10_000;

/** Once for a host and each of its lives. */
export async function makeSpare(host: LabHost): Promise<void> {
  await run(host, 'ip', 'netns', 'add', 'spare');
}

/** A call has a connection of its own: since the last one its host may have been cut off, or have booted. */
export async function ask<T>(host: LabHost, call: (client: WeftClient) => Promise<T>, deadline = DEADLINE): Promise<T> {
  const client = connect({ socketPath: `/proc/${host.initPid}/root/run/weft/weft.sock`, deadline });
  try {
    return await call(client);
  } finally {
    client.close();
  }
}

/** Without a name, which would be claimed in etcd. */
export async function attach(host: LabHost, name = '', deadline?: number): Promise<EndpointView> {
  const wish = { network: NETWORK, netns: SPARE, addresses: [], name, labels: {} };
  return await ask(host, (client) => client.call('AttachEndpoint', wish), deadline);
}

export async function detach(host: LabHost, ref: string, deadline?: number): Promise<void> {
  await ask(host, (client) => client.call('DetachEndpoint', { ref }), deadline);
}

/** On all of these hosts, each for itself. */
export async function attachesAndDetaches({ lab }: World, hosts: readonly LabHost[] = lab.hosts): Promise<void> {
  await Promise.all(
    hosts.map(async (host) => {
      const { id } = await attach(host);
      await detach(host, id);
    }),
  );
}

/** Names are claimed in etcd: it must be there. */
export async function attachesWithNames({ lab }: World): Promise<void> {
  await Promise.all(
    lab.hosts.map(async (host) => {
      const name = `${host.name}-named`;
      // of a try whose answer did not come
      await detach(host, `${NETWORK}/${name}`).catch((error: unknown) => {
        if (!(error instanceof WeftError && error.code === 'endpoint-not-found')) throw error;
      });
      const { id } = await attach(host, name);
      await detach(host, id);
    }),
  );
}
