/** One fault after the other on three hosts, each of which must leave nothing (README.md says what is promised). */
import { setTimeout as lasting } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { EndpointView, StatusView } from '../../src/control/port.ts';
import type { LabHost } from '../../src/lab/lab.ts';
import { toWeftError } from '../../src/model/errors.ts';
import type { ErrorCode } from '../../src/model/errors.ts';
import { clocksOff, hasClock, setClock, withOwnClock } from '../support/clock.ts';
import { json, run } from '../support/docker.ts';
import { Random } from '../support/random.ts';
import { until } from '../support/until.ts';
import { attach, attachesAndDetaches, detach, makeSpare } from './attaching.ts';
import { addressesOfCrowd, reachesAll, removeCrowd, runCrowd } from './crowd.ts';
import { leaderOf } from './etcd-leader.ts';
import { findings, reachable } from './invariants.ts';
import { MEDDLINGS, meddle, standingOf } from './meddling.ts';
import { fill, makeRoom, mountSmallDisk, unmountSmallDisk } from './small-disk.ts';
import { stage } from './stage.ts';
import { endAtSteps, SETS } from './steps.ts';
import { boot } from './world.ts';
import type { Member } from './world.ts';

const SEED = Number(process.env.WEFT_SEED ?? 1);
const { world, streams, host, settled } = stage(`faults-${process.pid}`);
const of = (number: number) => world().members.filter((member) => member.host === number);
const storeState = async (on: LabHost) => (await json<StatusView>(on, 'weft', 'status')).store.state;

describe('etcd', () => {
  test('its leader is killed: attaches and detaches go on', async () => {
    const leader = await leaderOf(world().lab);
    await leader.kill('etcd');
    await attachesAndDetaches(world());
    await leader.start('etcd');
    await settled();
  });

  test('most of it freezes: attaches and detaches go on, and are in it once it thaws', async () => {
    for (const number of [1, 2]) await host(number).freeze('etcd');
    await until(async () => (await storeState(host(3))) === 'away', { what: 'etcd to be missed', deadline: 60_000 });
    const attached = await Promise.all(world().lab.hosts.map((one) => attach(one)));
    await streams().progress(10_000);
    for (const number of [1, 2]) await host(number).thaw('etcd');
    await Promise.all(world().lab.hosts.map((one, index) => detach(one, (attached[index] as EndpointView).id)));
    await settled();
  });
});

test('dockerd killed: its containers live on, and it still detaches them afterwards', async () => {
  await host(2).kill('dockerd');
  await streams().progress(10_000);
  await host(2).start('dockerd');
  await run(host(2), 'docker', 'run', '--rm', '--network', 'acme.web', 'box', 'ping', '-c1', '-W2', '10.5.0.10');
  await settled();
});

test('a host cut off for a minute, longer than its lease lasts', async () => {
  await world().lab.cut(3);
  await lasting(60_000);
  await attachesAndDetaches(world());
  await world().lab.heal(3);
  await settled();
});

test('a full disk: detaches go on, also for a weftd that starts on it; attaches are refused, and go on with room', async () => {
  const three = host(3);
  await three.kill('weftd');
  await mountSmallDisk(three);
  await three.start('weftd');
  const attached: string[] = [];
  for (let i = 0; i < 8; i++) attached.push((await attach(three)).id);
  await fill(three);
  expect(await refusal(three, attached)).toBe('journal-full');
  for (const one of attached.splice(0, 4)) await detach(three, one);
  await three.kill('weftd');
  await three.start('weftd');
  for (const one of attached) await detach(three, one);
  await makeRoom(three);
  const goesOn = () =>
    attachesAndDetaches(world(), [three]).then(
      () => true,
      () => false,
    );
  await until(goesOn, { what: 'room to be noticed', deadline: 90_000, every: 500 });
  await three.kill('weftd');
  await unmountSmallDisk(three);
  await three.start('weftd');
  await settled();
});

/** Why the first attach is refused that is; those before it are added to `attached`. */
async function refusal(on: LabHost, attached: string[]): Promise<ErrorCode> {
  for (;;) {
    try {
      attached.push((await attach(on)).id);
    } catch (error) {
      return toWeftError(error).code;
    }
  }
}

test.skipIf(!hasClock)('a clock that jumps, ahead and back: neither leases, rests nor certificates mind', async () => {
  await withOwnClock(host(2), async () => {
    for (const offset of [36_000, -18_000, 0]) {
      await setClock(host(2), offset);
      const isSet = async () => {
        const made = await attach(host(2));
        await detach(host(2), made.id);
        return Math.abs(Date.parse(made.createdAt) - Date.now() - offset * 1_000) < 600_000;
      };
      await until(isSet, { what: 'the clock to be set', deadline: 30_000, every: 500 });
      expect(await clocksOff(host(1))).toEqual(offset === 0 ? [] : ['host2']);
      await reachable(world());
      await attachesAndDetaches(world());
    }
  });
  await settled();
});

describe('a program that takes away what weft has made', () => {
  test.each(MEDDLINGS)('%s', async (what) => {
    const all = () => Promise.all([2, 3].map((number) => standingOf(host(number), what).catch(() => [])));
    const stood = await all();
    const done = await Promise.all([2, 3].map((number) => meddle(host(number), what, new Random(SEED + number))));
    expect(done.flat().length).toBeGreaterThan(0);
    let now = stood;
    await until(async () => JSON.stringify((now = await all())) === JSON.stringify(stood), {
      what: `${what} to be back`,
      deadline: 90_000,
      every: 200,
    }).catch(() => undefined);
    expect(now).toEqual(stood);
    await settled((member) => (what === 'links' || what === 'namespaces' ? member.host > 1 : false));
  });
});

describe('weftd killed at', () => {
  test.each(SETS)('$steps', async ({ acts }) => {
    await endAtSteps(world(), acts);
    await settled();
  });
});

test('a power cycle of a host with 100 containers, which its engine starts again', { timeout: 1_800_000 }, async () => {
  const [three, count] = [host(3), 98];
  await runCrowd(three, count);
  await three.powerCycle({ deadline: 600_000 });
  await boot(world(), 3);
  await makeSpare(three);
  const addresses = await addressesOfCrowd(three, count);
  expect(new Set(addresses).size).toBe(count);
  await reachable(world());
  await reachesAll(world(), of(1)[1] as Member, addresses);
  expect(await findings(host(1))).toEqual([]);
  await streams().start(of(3));
  await removeCrowd(three);
  await settled((member) => member.host === 3);
});
