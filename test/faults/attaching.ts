/** A plain attach and its detach, without an engine, as what must work whatever else does not. */
import type { LabHost } from '../../src/lab/lab.ts';
import { json, run } from '../support/docker.ts';
import { NETWORK } from './world.ts';
import type { World } from './world.ts';

const SPARE = '/run/netns/spare';

/** Once for a host and each of its lives. */
export async function makeSpare(host: LabHost): Promise<void> {
  await run(host, 'ip', 'netns', 'add', 'spare');
}

export interface Attached {
  id: string;
  /** by the clock of the host's weftd */
  createdAt: string;
}

/** Without a name, which would be claimed in etcd. */
export async function attach(host: LabHost): Promise<Attached> {
  return await json<Attached>(host, 'weft', 'endpoint', 'attach', NETWORK, '--netns', SPARE);
}

export async function detach(host: LabHost, { id }: Attached): Promise<void> {
  await run(host, 'weft', 'endpoint', 'detach', id);
}

/** On all of these hosts, each for itself. */
export async function attachesAndDetaches({ lab }: World, hosts: readonly LabHost[] = lab.hosts): Promise<void> {
  await Promise.all(
    hosts.map(async (host) => {
      await detach(host, await attach(host));
    }),
  );
}

/** Names are claimed in etcd: it must be there. */
export async function attachesWithNames({ lab }: World): Promise<void> {
  await Promise.all(
    lab.hosts.map(async (host) => {
      const name = `${host.name}-named`;
      // of a try whose answer did not come
      await host.exec(['weft', 'endpoint', 'detach', `${NETWORK}/${name}`]);
      await run(host, 'weft', 'endpoint', 'attach', NETWORK, '--netns', SPARE, '--name', name);
      await run(host, 'weft', 'endpoint', 'detach', `${NETWORK}/${name}`);
    }),
  );
}
