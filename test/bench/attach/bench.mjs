/**
 * What it costs a container to join a network and to leave it: by weft through a real dockerd, by Docker's own bridge driver
 * in the same dockerd, and by weft's API, in turn. README.md explains the tables.
 */
import { inTurn } from '../rounds.mjs';
import { apiContestant, engineContestant } from './contestants.mjs';
import { HintWatch } from './hints.mjs';
import { measureMany, measureOne } from './measure.mjs';
import { hintTable, latencyTable, phaseTable, rateTable } from './tables.mjs';
import { World } from './world.mjs';

const ROUNDS = 100;
const WARM_UP = 10;
/** Rounds before etcd changes between running and frozen. */
const BLOCK = 25;
const LANES = 16;
const CONCURRENT = [1, 4, 16];
const MANY_ROUNDS = 3;

export async function* bench({ rounds = ROUNDS }) {
  const onProgress = (step) => console.error(step);
  const world = await World.raise({ containers: LANES, namespaces: LANES, onProgress });
  const hints = new HintWatch(world.remoteTenantPath);
  try {
    const contestants = contestantsOf(world);
    onProgress('one at a time');
    const runs = await oneAtATime(world, { contestants, hints, rounds });
    yield latencyTable('Attach, one at a time', runs, 'attach');
    yield latencyTable('Detach, one at a time', runs, 'detach');
    const [engine, , api] = contestants;
    yield phaseTable(`Where the time of an attach goes: ${engine.name}`, runs.get(engine.name));
    yield phaseTable(`Where the time of an attach goes: ${api.name}`, runs.get(api.name));
    yield hintTable('Until the other host can reach it', runs);
    for (const concurrent of CONCURRENT) {
      onProgress(`${concurrent} at a time`);
      const results = await inTurn(many(contestants, concurrent), Math.min(rounds, MANY_ROUNDS));
      yield rateTable(`${LANES} containers, ${concurrent} at a time`, { lanes: LANES, results });
    }
  } finally {
    await hints.close();
    await world.down();
  }
}

function contestantsOf({ here, weft, bridge, containers, namespaces }) {
  const { engineNetwork, network, ...rest } = weft;
  const isWeft = true;
  return [
    { ...engineContestant(here, { name: 'weft, by Docker', network: engineNetwork, ...rest, containers }), isWeft },
    engineContestant(here, { name: 'bridge, by Docker', ...bridge, containers }),
    { ...apiContestant(here, { name: 'weft, by its API', network, ...rest, namespaces }), isWeft },
  ];
}

/** By name, blocks of runs; with etcd frozen those of weft alone, under a name of their own. */
async function oneAtATime(world, { contestants, hints, rounds }) {
  const host = world.here;
  const round = async (some, blocks, count, suffix) => {
    for (const { name } of some) blocks.get(`${name}${suffix}`)?.push([]);
    for (let i = 0; i < count; i++) {
      for (let turn = 0; turn < some.length; turn++) {
        const contestant = some[(i + turn) % some.length];
        const run = await measureOne(contestant, { host, hints });
        blocks.get(`${contestant.name}${suffix}`)?.at(-1).push(run);
      }
    }
  };
  const ours = contestants.filter(({ isWeft }) => isWeft);
  const frozen = ', etcd frozen';
  const names = [...contestants.map(({ name }) => name), ...ours.map(({ name }) => `${name}${frozen}`)];
  const runs = new Map(names.map((name) => [name, []]));
  await round(contestants, new Map(), WARM_UP, '');
  for (let done = 0; done < rounds; done += BLOCK) {
    const count = Math.min(BLOCK, rounds - done);
    await round(contestants, runs, count, '');
    await world.freezeStore();
    try {
      await round(ours, runs, count, frozen);
    } finally {
      await world.thawStore();
    }
  }
  return runs;
}

function many(contestants, concurrent) {
  return contestants.map((contestant) => ({
    name: contestant.name,
    run: async () => {
      const { attach, detach } = await measureMany(contestant, { lanes: LANES, concurrent });
      return { milliseconds: attach, detach };
    },
  }));
}
