/** How a fault of the plan begins on its host, and how one that lasts ends. */
import type { LabHost } from '../../../src/lab/lab.ts';
import { Random } from '../../support/random.ts';
import { makeSpare } from '../attaching.ts';
import { CLOCK_ENVIRONMENT, hasClock, setClock } from '../../support/clock.ts';
import { meddle } from '../meddling.ts';
import { fill, makeRoom, mountSmallDisk, unmountSmallDisk } from '../small-disk.ts';
import type { Streams } from '../streams.ts';
import { boot } from '../world.ts';
import type { World } from '../world.ts';
import type { Fault, Kind } from './plan.ts';

interface Scene {
  world: World;
  streams: Streams;
  host: LabHost;
  fault: Fault;
}

interface Play {
  begin: (scene: Scene) => Promise<unknown>;
  /** undefined: it does not last */
  end?: (scene: Scene) => Promise<unknown>;
}

const PLAYS: Readonly<Record<Kind, Play>> = {
  'kill-weftd': { begin: ({ host }) => host.kill('weftd'), end: startAgain },
  'freeze-weftd': { begin: ({ host }) => host.freeze('weftd'), end: ({ host }) => host.thaw('weftd') },
  'kill-dockerd': { begin: ({ host }) => host.kill('dockerd'), end: ({ host }) => host.start('dockerd') },
  'kill-etcd': { begin: ({ host }) => host.kill('etcd'), end: ({ host }) => host.start('etcd') },
  'freeze-etcd': { begin: ({ host }) => host.freeze('etcd'), end: ({ host }) => host.thaw('etcd') },
  cut: {
    begin: ({ world, fault }) => world.lab.cut(fault.host),
    end: ({ world, fault }) => world.lab.heal(fault.host),
  },
  'full-disk': { begin: fillDisk, end: changeDisk },
  clock: {
    begin: async ({ host, fault }) => hasClock && (await setClock(host, fault.offset)),
    end: async ({ host }) => hasClock && (await setClock(host, 0)),
  },
  'power-cycle': { begin: powerCycle },
  meddle: { begin: ({ host, fault }) => meddle(host, fault.what, new Random(fault.seed)) },
  'second-daemon': { begin: startSecond },
};

export async function begin(world: World, streams: Streams, fault: Fault): Promise<void> {
  await PLAYS[fault.kind].begin({ world, streams, host: world.lab.host(fault.host), fault });
}

export async function end(world: World, streams: Streams, fault: Fault): Promise<void> {
  await PLAYS[fault.kind].end?.({ world, streams, host: world.lab.host(fault.host), fault });
}

/** With a clock that can be set. */
export async function startWeftd({ lab }: World, number: number): Promise<void> {
  const host = lab.host(number);
  if (hasClock) await setClock(host, 0);
  await host.start('weftd', { env: CLOCK_ENVIRONMENT });
}

function startAgain({ world, fault }: Scene): Promise<void> {
  return startWeftd(world, fault.host);
}

async function fillDisk(scene: Scene): Promise<void> {
  await scene.host.kill('weftd');
  await mountSmallDisk(scene.host);
  await startAgain(scene);
  await fill(scene.host);
}

async function changeDisk(scene: Scene): Promise<void> {
  await makeRoom(scene.host);
  await scene.host.kill('weftd');
  await unmountSmallDisk(scene.host);
  await startAgain(scene);
}

async function startSecond({ host }: Scene): Promise<void> {
  const { exitCode } = await host.exec(['weftd'], { timeout: 60_000 });
  if (exitCode !== 1) throw new Error(`a second weftd on ${host.name} ended with ${exitCode}`);
}

async function powerCycle({ world, streams, host, fault }: Scene): Promise<void> {
  await host.powerOff();
  await host.powerOn();
  await host.start('etcd');
  await startWeftd(world, fault.host);
  await host.start('dockerd');
  await makeSpare(host);
  await boot(world, fault.host);
  await streams.open(world.members.filter((member) => member.host === fault.host));
}
