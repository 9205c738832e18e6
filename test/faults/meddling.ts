/** A program that takes away what weft has made on a host, without asking: a seed says what of it. */
import type { LabHost } from '../../src/lab/lab.ts';
import type { Random } from '../support/random.ts';

export const MEDDLINGS = ['links', 'forwarding', 'neighbours', 'routes', 'rules', 'namespaces'] as const;
export type Meddling = (typeof MEDDLINGS)[number];

const TENANT = '/run/weft/netns/acme';
const INSIDE = ['nsenter', `--net=${TENANT}`];

/** What could be taken away: each a command. */
const CHOICES: Record<Meddling, (host: LabHost) => Promise<string[][]>> = {
  links: async (host) =>
    (await list<{ ifname: string }>(host, 'ip', '-j', 'link'))
      .filter(({ ifname }) => /^(w[bxe]|up0)/.test(ifname))
      .map(({ ifname }) => [...INSIDE, 'ip', 'link', 'delete', ifname]),
  forwarding: async (host) =>
    (await list<Forwarding>(host, 'bridge', '-j', 'fdb')).flatMap(({ mac, ifname, dst, master, state }) => {
      const own = /^w[xe]/.test(ifname) && !/^(33:33|01:00)/.test(mac);
      const entry = [...INSIDE, 'bridge', 'fdb', 'delete', mac, 'dev', ifname];
      if (own && dst !== undefined) return [[...entry, 'dst', dst, 'self']];
      // the permanent ones are the kernel's own, of its ports
      return own && master !== undefined && state !== 'permanent' ? [[...entry, 'master']] : [];
    }),
  neighbours: async (host) =>
    (await list<{ dst: string; dev: string }>(host, 'ip', '-j', 'neigh', 'show', 'nud', 'permanent')).map(
      ({ dst, dev }) => {
        return [...INSIDE, 'ip', 'neigh', 'delete', dst, 'dev', dev];
      },
    ),
  routes: async (host) =>
    (await list<{ dst: string; dev: string }>(host, 'ip', '-j', 'route')).map(({ dst, dev }) => {
      return [...INSIDE, 'ip', 'route', 'delete', dst, 'dev', dev];
    }),
  rules: () =>
    Promise.resolve([
      [...INSIDE, 'nft', 'flush', 'ruleset'],
      ['nft', 'delete', 'table', 'inet', 'weft'],
      ['nft', 'flush', 'table', 'inet', 'weft'],
    ]),
  namespaces: () => Promise.resolve([['sh', '-c', `umount -l ${TENANT} && rm ${TENANT}`]]),
};

interface Forwarding {
  mac: string;
  ifname: string;
  dst?: string;
  master?: string;
  state?: string;
}

/** Takes away about half of what there is of a kind, one thing at least; gives what it did. */
export async function meddle(host: LabHost, what: Meddling, random: Random): Promise<string[]> {
  const all = await CHOICES[what](host);
  if (all.length === 0) return [];
  const surely = random.pick(all);
  const chosen = all.filter((one) => one === surely || random.next() < 0.5);
  const done: string[] = [];
  for (const command of what === 'rules' ? [surely] : chosen) {
    // what went with something else cannot be taken away again
    if ((await host.exec(command)).exitCode === 0) done.push(command.join(' '));
  }
  return done;
}

/** What of a kind stands, as far as it is listed one by one. */
export async function standingOf(host: LabHost, what: Meddling): Promise<string[]> {
  return (await CHOICES[what](host)).map((command) => command.join(' ')).sort();
}

async function list<T>(host: LabHost, ...command: string[]): Promise<T[]> {
  const { stdout } = await host.exec([...INSIDE, ...command]);
  return stdout.trim() === '' ? [] : (JSON.parse(stdout) as T[]);
}
