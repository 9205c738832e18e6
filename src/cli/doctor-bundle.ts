/** A support bundle: what the daemon knows of the cluster, without secrets, as one JSON document, gzipped. */
import { release } from 'node:os';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { WeftClient } from '../api/client.ts';
import type { Methods } from '../api/definition.ts';
import { toWeftError } from '../model/errors.ts';
import { writePrivateFile } from '../trust/files.ts';
import { VERSION } from '../version.ts';
import { redact } from './doctor-redact.ts';
import { readAll } from './list.ts';

/** of one list: a cluster of more is told by its beginning */
const MOST_ITEMS = 20_000;
const EXAMINATION_DEADLINE = 60_000;

const ALL = {
  ...{ tenant: '', network: '', node: '', labels: [], state: '', container: '', project: '' },
  ...{ pageSize: 0, pageToken: '' },
};

/** Returns the bytes written. A part that cannot be had is replaced by the error: a bundle is wanted when things are wrong. */
export async function writeBundle(client: WeftClient, path: string): Promise<number> {
  const parts = Object.entries(partsOf(client)).map(async ([name, read]) => [name, await orError(read)] as const);
  const content = Object.fromEntries(await Promise.all(parts));
  const bundle = { made: new Date().toISOString(), version: VERSION, kernel: release(), ...content };
  const packed = await promisify(gzip)(JSON.stringify(redact(bundle), undefined, 1));
  await writePrivateFile(path, packed);
  return packed.length;
}

function partsOf(client: WeftClient): Record<string, () => Promise<unknown>> {
  const list = (method: ListMethod, field: string) => async () => {
    const read = async (_client: WeftClient, filter: Filter) => {
      const page = (await client.call(method, filter)) as unknown as Record<string, unknown[]> & Page;
      return { items: page[field] ?? [], nextPageToken: page.nextPageToken };
    };
    const all = await readAll(client, { read }, ALL);
    return all.length <= MOST_ITEMS ? all : { all: all.length, first: all.slice(0, MOST_ITEMS) };
  };
  const examine = (audit: boolean) => () => client.call('Examine', { audit }, { deadline: EXAMINATION_DEADLINE });
  return {
    status: () => client.call('GetStatus', {}),
    nodes: list('ListNodes', 'nodes'),
    tenants: list('ListTenants', 'tenants'),
    networks: list('ListNetworks', 'networks'),
    routers: list('ListRouters', 'routers'),
    endpoints: list('ListEndpoints', 'endpoints'),
    shared: list('ListSharedAddresses', 'addresses'),
    engines: async () => (await client.call('ListEngines', { node: '' })).engines,
    doctor: examine(false),
    audit: examine(true),
  };
}

type ListMethod =
  'ListNodes' | 'ListTenants' | 'ListNetworks' | 'ListRouters' | 'ListEndpoints' | 'ListSharedAddresses';
type Filter = Methods['ListNodes']['request'];
interface Page {
  nextPageToken: string;
}

async function orError(read: () => Promise<unknown>): Promise<unknown> {
  try {
    return await read();
  } catch (error) {
    return { error: toWeftError(error).toReport('') };
  }
}
