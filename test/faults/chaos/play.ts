/** How a fault of the plan begins and ends on its host. */
import { Random } from '../../support/random.ts';
import { makeSpare } from '../attaching.ts';
import { CLOCK_ENVIRONMENT, hasClock, setClock } from '../clock.ts';
import { meddle } from '../meddling.ts';
import { fill, makeRoom, mountSmallDisk, unmountSmallDisk } from '../small-disk.ts';
import type { Streams } from '../streams.ts';
import { boot } from '../world.ts';
import type { World } from '../world.ts';
import type { Fault } from './plan.ts';

export async function begin(world: World, streams: Streams, fault: Fault): Promise<void> {
  const { lab } = world;
  const host = lab.host(fault.host);
  switch (fault.kind) {
    case 'kill-weftd':
      return await host.kill('weftd');
    case 'freeze-weftd':
      return await host.freeze('weftd');
    case 'kill-dockerd':
      return await host.kill('dockerd');
    case 'kill-etcd':
      return await host.kill('etcd');
    case 'freeze-etcd':
      return await host.freeze('etcd');
    case 'cut':
      return await lab.cut(fault.host);
    case 'full-disk':
      await host.kill('weftd');
      await mountSmallDisk(host);
      await startWeftd(world, fault.host);
      return await fill(host);
    case 'clock':
      if (hasClock) await setClock(host, fault.offset);
      return;
    case 'power-cycle':
      return await powerCycle(world, streams, fault.host);
    case 'meddle':
      await meddle(host, fault.what, new Random(fault.seed));
      return;
    case 'second-daemon': {
      const { exitCode } = await host.exec(['weftd'], { timeout: 60_000 });
      if (exitCode !== 1) throw new Error(`a second weftd on ${host.name} ended with ${exitCode}`);
    }
  }
}

/** Of faults that last. */
export async function end(world: World, fault: Fault): Promise<void> {
  const { lab } = world;
  const host = lab.host(fault.host);
  switch (fault.kind) {
    case 'kill-weftd':
      return await startWeftd(world, fault.host);
    case 'freeze-weftd':
      return await host.thaw('weftd');
    case 'kill-dockerd':
      return await host.start('dockerd');
    case 'kill-etcd':
      return await host.start('etcd');
    case 'freeze-etcd':
      return await host.thaw('etcd');
    case 'cut':
      return await lab.heal(fault.host);
    case 'full-disk':
      await makeRoom(host);
      await host.kill('weftd');
      await unmountSmallDisk(host);
      return await startWeftd(world, fault.host);
    case 'clock':
      if (hasClock) await setClock(host, 0);
      return;
    case 'power-cycle':
    case 'meddle':
    case 'second-daemon':
      return;
  }
}

/** With a clock that can be set. */
export async function startWeftd({ lab }: World, number: number): Promise<void> {
  const host = lab.host(number);
  if (hasClock) await setClock(host, 0);
  await host.start('weftd', undefined, CLOCK_ENVIRONMENT);
}

async function powerCycle(world: World, streams: Streams, number: number): Promise<void> {
  const host = world.lab.host(number);
  await host.powerOff();
  await host.powerOn();
  await host.start('etcd');
  await startWeftd(world, number);
  await host.start('dockerd');
  await makeSpare(host);
  await boot(world, number);
  await streams.open(world.members.filter((member) => member.host === number));
}
