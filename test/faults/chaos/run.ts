/** Plays a plan on three hosts under load for some minutes, and judges the history of it. */
import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as lasting } from 'node:timers/promises';
import type { EndpointView } from '../../../src/control/port.ts';
import { json } from '../../support/docker.ts';
import { Random } from '../../support/random.ts';
import { until } from '../../support/until.ts';
import { attachesWithNames } from '../attaching.ts';
import { breaksOf, findings, lostConnections, standing, unreached } from '../invariants.ts';
import type { Streams } from '../streams.ts';
import { NETWORK } from '../world.ts';
import type { Member, World } from '../world.ts';
import { judge } from './history.ts';
import type { Entry } from './history.ts';
import { Load } from './load.ts';
import type { Note } from './load.ts';
import { describeFault, HOSTS, plan } from './plan.ts';
import type { Fault, Round } from './plan.ts';
import { begin, end, startWeftd } from './play.ts';

export interface ChaosOptions {
  world: World;
  streams: Streams;
  /** what is to stand again in the end */
  standing: readonly string[];
  seed: number;
  /** for how long rounds begin; the last one is played to its end */
  milliseconds: number;
  /** the history's file */
  path: string;
}

const REACHABLE = 10_000;
const CALM = 2_000;
/** leases end and connections to etcd come back meanwhile */
const SERVING = 30_000;
const SETTLED = 180_000;
/** endpoints of each host that come and go at once */
const WIDTH = 3;

/** Gives what was wrong, in words. */
export async function chaos(options: ChaosOptions): Promise<string[]> {
  const { world } = options;
  for (const number of HOSTS) {
    await world.lab.host(number).kill('weftd');
    await startWeftd(world, number);
  }
  const run = await ChaosRun.begin(options);
  try {
    for (const round of plan(options.seed)) {
      if (run.now() >= options.milliseconds) break;
      await run.play(round);
    }
    return judge(await run.end());
  } finally {
    await run.stop();
  }
}

class ChaosRun {
  readonly #world: World;
  readonly #streams: Streams;
  readonly #options: ChaosOptions;
  readonly #history: Entry[] = [];
  readonly #start = performance.now();
  readonly #loads: Load[];
  #written: Promise<void> = Promise.resolve();
  #round = 0;

  private constructor(options: ChaosOptions) {
    this.#world = options.world;
    this.#streams = options.streams;
    this.#options = options;
    this.#loads = HOSTS.map((number) => new Load(this.#world, number, { note: this.#note, now: () => this.now() }));
    this.#loads.forEach((load, index) => load.start(new Random(options.seed + index), WIDTH));
  }

  static async begin(options: ChaosOptions): Promise<ChaosRun> {
    await mkdir(dirname(options.path), { recursive: true });
    await writeFile(options.path, '');
    return new ChaosRun(options);
  }

  now(): number {
    return Math.round(performance.now() - this.#start);
  }

  readonly #note: Note = (entry) => {
    const whole = { at: this.now(), ...entry };
    this.#history.push(whole);
    this.#written = this.#written.then(() => appendFile(this.#options.path, `${JSON.stringify(whole)}\n`));
  };

  #say(line: string): void {
    const { seed } = this.#options;
    process.stdout.write(`chaos ${seed}: ${(this.now() / 1_000).toFixed(1).padStart(7)} s  ${line}\n`);
  }

  async play({ faults }: Round): Promise<void> {
    const round = ++this.#round;
    const breaks = breaksOf(this.#streams);
    this.#say(`round ${round}: ${faults.map(describeFault).join(', ')}`);
    await Promise.all(faults.map((fault) => this.#playFault(round, fault)));
    const ended = this.now();
    const failed = await this.#reach();
    const touched = ({ host }: Member) => faults.some((fault) => fault.host === host && breaksConnections(fault));
    const lost = lostConnections(this.#streams, { breaks }, touched);
    this.#note({ event: 'reached', round, after: this.now() - ended, unreached: failed, lost });
    this.#say(
      `round ${round}: ${failed.length === 0 ? 'all reached' : failed.join(', ')} after ${this.now() - ended} ms`,
    );
    const refused = await this.#serves();
    if (refused === '') this.#note({ event: 'calm', round });
    else this.#note({ event: 'reached', round, after: this.now() - ended, unreached: [refused], lost: [] });
    await lasting(CALM);
  }

  async #playFault(round: number, fault: Fault): Promise<void> {
    await lasting(fault.at);
    this.#note({ event: 'begin', round, fault });
    await begin(this.#world, this.#streams, fault);
    await lasting(fault.lasts);
    await end(this.#world, this.#streams, fault);
    this.#note({ event: 'end', round, fault });
  }

  /** Who is not reached at the deadline, and which streams stand still. */
  async #reach(): Promise<string[]> {
    let failed: string[] = [];
    const reached = until(async () => (failed = await unreached(this.#world)).length === 0, {
      what: 'all to be reached',
      deadline: REACHABLE,
    }).catch(() => undefined);
    const stuck = await this.#streams.progress(REACHABLE).then(
      () => [],
      (error: unknown) => [String(error)],
    );
    await reached;
    return [...failed, ...stuck];
  }

  /** Why a host still refuses attaches, also those that need etcd, long after the last fault. */
  async #serves(): Promise<string> {
    let refusal = '';
    const all = () =>
      attachesWithNames(this.#world).then(
        () => true,
        (error: unknown) => {
          refusal = String(error);
          return false;
        },
      );
    return await until(all, { what: 'all hosts to attach', deadline: SERVING, every: 250 }).then(
      () => '',
      () => refusal,
    );
  }

  /** The load ends, and the history is written. */
  async stop(): Promise<void> {
    await Promise.all(this.#loads.map((load) => load.stop()));
    await this.#written;
  }

  async end(): Promise<Entry[]> {
    await this.stop();
    const one = this.#world.lab.host(1);
    const left = await json<EndpointView[]>(one, 'weft', 'endpoint', 'ls', '-A');
    const ofLoad = left.filter(({ name }) => /^host\d-c\d+$/.test(name));
    this.#say(`${this.#history.filter(({ event }) => event === 'attach').length} attaches; ${ofLoad.length} are left`);
    for (const { name, node } of ofLoad) {
      await this.#world.lab.host(node).exec(['weft', 'endpoint', 'detach', `${NETWORK}/${name}`]);
    }
    const before = this.#options.standing;
    let now: string[] = [];
    await until(async () => (now = await standing(this.#world.lab)).join() === before.join(), {
      what: 'nothing more to stand than at the beginning',
      deadline: SETTLED,
      every: 1_000,
    }).catch(() => undefined);
    const leaked = [
      ...now.filter((what) => !before.includes(what)).map((what) => `${what}, which was not there`),
      ...before.filter((what) => !now.includes(what)).map((what) => `no ${what} any more`),
    ];
    const endpoints = ofLoad.map(({ name, addresses }) => ({ name, addresses }));
    this.#note({ event: 'final', findings: await findings(one), leaked, endpoints });
    await this.#written;
    this.#say('judged');
    return this.#history;
  }
}

/** A host without power ends its own; an interface that is made anew may. */
function breaksConnections({ kind, what }: Fault): boolean {
  return kind === 'power-cycle' || (kind === 'meddle' && (what === 'links' || what === 'namespaces'));
}
