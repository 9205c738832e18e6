/** What must be true after every fault. */
import { expect } from 'vitest';
import type { Examination } from '../../src/control/examination/port.ts';
import type { Lab, LabHost } from '../../src/lab/lab.ts';
import { standing as listStanding, storeRecords } from '../support/standing.ts';
import { until } from '../support/until.ts';
import { nameOf } from './streams.ts';
import type { Streams } from './streams.ts';
import { namespaceOf } from './world.ts';
import type { Member, World } from './world.ts';

/** promised, in milliseconds */
const REACHABLE = 10_000;
/** What was begun and never ended is collected after its grace of 30 s, what is released rests as long. */
const SETTLED = 150_000;

export interface Before {
  breaks: Map<string, number>;
  standing: string[];
}

export async function before({ lab }: World, streams: Streams): Promise<Before> {
  return { breaks: breaksOf(streams), standing: await standing(lab) };
}

/** All that stands, with endpoints by their addresses and ports by their host: who comes back after a power cut has another id. */
export async function standing(lab: Lab): Promise<string[]> {
  const endpoints = await endpointsIn(lab);
  const byAddress = (id: string) => endpoints.find((one) => one.id === id)?.addresses.join() ?? id;
  return (await listStanding(lab))
    .map((line) =>
      line
        .replace(/: we\w+$/, ': a port')
        .replace(/^(endpoints|labels)\/(.*\/)?(\w+)$/, (_, kind: string, network = '', id: string) => {
          return `${kind}/${network as string}${byAddress(id)}`;
        }),
    )
    .sort();
}

interface StoredEndpoint {
  id: string;
  name: string;
  network: string;
  addresses: string[];
}

async function endpointsIn(lab: Lab): Promise<StoredEndpoint[]> {
  const records = [...(await storeRecords(lab))].filter(([key]) => key.startsWith('endpoints/'));
  return records.map(([, text]) => JSON.parse(text) as StoredEndpoint);
}

/**
 * Every member is reached by every other within 10 s; no connection broke but those of `touched`; no address has two owners;
 * what stands and what is recorded is what was there `before`; the auditor finds nothing.
 */
export async function holds(
  world: World,
  streams: Streams,
  { before, touched = () => false }: { before: Before; touched?: (member: Member) => boolean },
): Promise<void> {
  await reachable(world);
  await streams.progress(REACHABLE);
  expect(lostConnections(streams, before, touched)).toEqual([]);
  expect(await addressesTwice(world)).toEqual([]);
  let now: string[] = [];
  await until(async () => (now = await standing(world.lab)).join() === before.standing.join(), {
    what: 'what stands to be what stood',
    deadline: SETTLED,
    every: 1_000,
  }).catch(() => undefined);
  expect(now).toEqual(before.standing);
  expect(await findings(world.lab.host(1))).toEqual([]);
}

/** Every member from every other, and from all at once. */
export async function reachable(world: World, deadline = REACHABLE): Promise<void> {
  let failed: string[] = [];
  await until(async () => (failed = await unreached(world)).length === 0, {
    what: 'every member to be reached',
    deadline,
  }).catch((error: unknown) => {
    throw new Error(`${String(error)}: ${failed.join(', ')}`);
  });
}

export async function unreached({ lab, members }: World): Promise<string[]> {
  const lines = await Promise.all(
    lab.hosts.map(async (host, index) => {
      const tries = members
        .filter((from) => from.host === index + 1)
        .flatMap((from) =>
          members
            .filter((to) => to !== from)
            .map((to) => {
              const ping = `nsenter --net=${namespaceOf(from)} ping -q -c1 -W2 ${to.address} >/dev/null 2>&1`;
              return `{ ${ping} || echo ${from.name} to ${to.name}; } &`;
            }),
        );
      return (await host.exec(['sh', '-c', `${tries.join('\n')}\nwait`])).stdout.split('\n');
    }),
  );
  return lines.flat().filter((line) => line !== '');
}

export function breaksOf(streams: Streams): Map<string, number> {
  return new Map(streams.states().map((stream) => [nameOf(stream), stream.breaks]));
}

export function lostConnections(
  streams: Streams,
  { breaks }: Pick<Before, 'breaks'>,
  touched: (member: Member) => boolean,
): string[] {
  return streams
    .states()
    .filter((one) => !touched(one.from) && !touched(one.to) && one.breaks !== breaks.get(nameOf(one)))
    .map((one) => `${nameOf(one)}: ${one.reason}`);
}

/** By the records of endpoints, whatever those of addresses say. */
async function addressesTwice({ lab }: World): Promise<string[]> {
  const owners = new Map<string, string[]>();
  for (const { network, addresses, name } of await endpointsIn(lab)) {
    for (const address of addresses) {
      const object = `${network} ${address}`;
      owners.set(object, [...(owners.get(object) ?? []), name]);
    }
  }
  return [...owners].filter(([, names]) => names.length > 1).map(([object, names]) => `${object}: ${names.join()}`);
}

/** What the auditor says once it has nothing to say, or at the deadline. */
export async function findings(host: LabHost, deadline = SETTLED): Promise<Examination['findings']> {
  let found: Examination['findings'] = [];
  const silent = async () => {
    const { exitCode, stdout, stderr } = await host.exec(['weft', 'doctor', '--audit', '-o', 'json'], {
      timeout: 60_000,
    });
    if (stdout === '') throw new Error(`the auditor: exit ${exitCode}: ${stderr}`);
    found = (JSON.parse(stdout) as Examination).findings;
    return exitCode === 0;
  };
  await until(silent, { what: 'a silent auditor', deadline, every: 500 }).catch((error: unknown) => {
    if (found.length === 0) throw error;
  });
  return found;
}
