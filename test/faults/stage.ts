/** Three hosts on which faults are played one after the other, and what must hold after each. */
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import { labDown } from '../../src/lab/lab.ts';
import type { LabHost } from '../../src/lab/lab.ts';
import { attachesAndDetaches, makeSpare } from './attaching.ts';
import { before, breaksOf, findings, holds } from './invariants.ts';
import type { Before } from './invariants.ts';
import { Streams } from './streams.ts';
import { mend, raiseWorld } from './world.ts';
import type { Member, World } from './world.ts';

export interface Stage {
  world: () => World;
  streams: () => Streams;
  host: (number: number) => LabHost;
  /** what stood and was recorded when the stage was raised */
  standing: () => readonly string[];
  /** `touched`: members whose connections the fault was to break */
  settled: (touched?: (member: Member) => boolean) => Promise<void>;
}

/** For the whole file that calls it. */
export function stage(lab: string): Stage {
  let world: World;
  let streams: Streams;
  let start: Before;
  beforeAll(async () => {
    world = await raiseWorld(lab);
    await Promise.all(world.lab.hosts.map(makeSpare));
    // from here on every host has space of its own
    await attachesAndDetaches(world);
    streams = new Streams(world);
    await streams.start();
    start = await before(world, streams);
    expect(await findings(world.lab.host(1))).toEqual([]);
  });
  beforeEach(async () => {
    await mend(world);
    start = { ...start, breaks: breaksOf(streams) };
  });
  // what a test that failed has left is not held against the next one
  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail') start = await before(world, streams);
  });
  afterAll(() => labDown(lab));
  return {
    world: () => world,
    streams: () => streams,
    host: (number) => world.lab.host(number),
    standing: () => start.standing,
    settled: (touched = () => false) => holds(world, streams, { before: start, touched }),
  };
}
