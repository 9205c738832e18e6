/** All that weft keeps and has made in a lab, so that a test can ask for it to be what it was before. */
import type { Lab } from '../../src/lab/lab.ts';
import { leftovers, run } from './docker.ts';

const PKI = '/var/lib/weft/pki';
/** What comes and goes by itself: who is heard from, what an engine last said, how far a journal is, what space it has. */
const PASSING = /^(live|engines|certificates|fence|epochs|blocks)\//;

/** Records by their keys. An address that rests counts as free. */
export async function storeRecords(lab: Lab): Promise<Map<string, string>> {
  const out = await run(
    lab.host(1),
    ...['env', 'ETCDCTL_API=3', 'etcdctl', '--endpoints=https://127.0.0.1:2379'],
    ...[`--cacert=${PKI}/ca.crt`, `--cert=${PKI}/client.crt`, `--key=${PKI}/client.key`],
    ...['get', '--prefix', '/weft/v1/'],
  );
  const lines = out.split('\n');
  const records = new Map<string, string>();
  for (let i = 0; i + 1 < lines.length; i += 2) {
    const [key = '', value = ''] = [lines[i]?.slice('/weft/v1/'.length), lines[i + 1]];
    const rests = key.startsWith('addresses/') && (JSON.parse(value) as { state: string }).state === 'resting';
    if (!PASSING.test(key) && !rests) records.set(key, value);
  }
  return records;
}

/** Keys of the store, and what stands in each host's own namespace and in those of the tenants. */
export async function standing(lab: Lab): Promise<string[]> {
  const links = `for f in /run/weft/netns/*; do [ -e "$f" ] && nsenter --net=$f ip -br link | cut -d' ' -f1; done`;
  const hosts = await Promise.all(
    lab.hosts.map(async (host) => {
      const inTenants = (await run(host, 'sh', '-c', `${links}; true`)).split('\n').filter(Boolean);
      // without index, state and MAC, which are others after a power cut
      return [...(await leftovers(host)), ...inTenants].map(
        (line) => `${host.name}: ${line.trim().replace(/@.*$/, '')}`,
      );
    }),
  );
  return [...(await storeRecords(lab)).keys(), ...hosts.flat()].sort();
}
