/**
 * One connection to an engine, from its first answer to its loss: what the engine says and what the cluster wants wake the
 * looks, and a look makes both agree. The first look is whole and comes after the events have begun, so that nothing falls
 * between them.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { EngineNetwork } from '../../../control/engines/port.ts';
import { toWeftError } from '../../../model/errors.ts';
import type { EngineProblem } from '../../../model/objects.ts';
import type { DockerContainer, DockerEvent, DockerNetwork, EngineApi, EngineInfo } from './api.ts';
import { sightingOf } from './containers.ts';
import type { FollowerOptions } from './follower.ts';
import { applyStep } from './apply.ts';
import { planStep } from './networks.ts';
import { Wake } from './wake.ts';

/** of whole looks; what failed is tried again sooner (milliseconds) */
const RESYNC = 30_000;
const RETRY = 2_000;
/** A container's start is a handful of events, and lists show it right only after the last. */
const COALESCE = 50;
/**
 * Docker lists a network no more as soon as it begins to remove it, and only then tells the driver, by which a user's removal is
 * known as such. In these milliseconds it does, also when weftd is just being restarted; an engine that lost the network and
 * never will gets it again after them.
 */
const REMOVAL = 10_000;
/** More containers than this at once are read as all of them. */
const MANY = 50;

/** Events after which a container's name, labels or endpoints may be others. */
const CONTAINER_ACTIONS = new Set(['start', 'restart', 'rename', 'update', 'die', 'destroy']);

export class EngineSession {
  readonly #options: FollowerOptions;
  readonly #api: EngineApi;
  readonly #info: EngineInfo;
  readonly #wake = new Wake();
  /** containers to look at; undefined: all of them */
  #dirty: Set<string> | undefined;
  #wanted: EngineNetwork[] | undefined;
  #listening = false;
  /** bound networks that the engine does not list: since when */
  #missing = new Map<string, number>();
  /** problems logged last: they are tried again every few seconds */
  #said = '';

  constructor(options: FollowerOptions, api: EngineApi, info: EngineInfo) {
    this.#options = options;
    this.#api = api;
    this.#info = info;
  }

  /** Until the signal, or until the engine is lost: `engine-away`. */
  async run(signal: AbortSignal): Promise<void> {
    const ended = new AbortController();
    const until = AbortSignal.any([signal, ended.signal]);
    const parts = [this.#listen(until), this.#wish(until), this.#look(until)];
    const results = await Promise.allSettled(parts.map((part) => part.finally(() => ended.abort())));
    const failed = results.find((result) => result.status === 'rejected');
    if (failed && !signal.aborted) throw failed.reason;
  }

  async #listen(signal: AbortSignal): Promise<void> {
    const onOpen = () => {
      this.#listening = true;
      this.#wake.wake();
    };
    for await (const event of this.#api.events(signal, onOpen)) {
      const container = this.#concerned(event);
      if (container === undefined) continue;
      if (container !== '') this.#dirty?.add(container);
      this.#wake.wake();
    }
  }

  /** The container an event is about; '' when it is about a network alone, undefined when about nothing of ours. */
  #concerned(event: DockerEvent): string | undefined {
    if (event.Type === 'container') return CONTAINER_ACTIONS.has(event.Action) ? event.Actor.ID : undefined;
    const { type, container, name } = event.Actor.Attributes;
    // A foreign network may stand where one of ours belongs, and go.
    const ours = type === undefined || type === this.#options.driver || this.#wanted?.some((one) => one.name === name);
    return ours ? (container ?? '') : undefined;
  }

  async #wish(signal: AbortSignal): Promise<void> {
    for await (const networks of this.#options.following.networks(signal)) {
      this.#wanted = networks;
      this.#wake.wake();
    }
  }

  async #look(signal: AbortSignal): Promise<void> {
    let wholeAt = -Infinity;
    let again = RESYNC;
    const stopped = () => signal.aborted;
    while (!stopped()) {
      await this.#wake.wait(again, signal);
      if (!this.#listening || !this.#wanted) continue;
      await delay(COALESCE, undefined, { signal }).catch(() => undefined);
      const ids = this.#dirty;
      const whole = !ids || ids.size > MANY || performance.now() - wholeAt >= RESYNC;
      this.#dirty = new Set();
      try {
        again = (await this.#once(whole ? undefined : [...ids], signal)) ? RESYNC : RETRY;
        if (whole) wholeAt = performance.now();
      } catch (error) {
        const failure = toWeftError(error);
        if (stopped()) return;
        if (failure.code === 'engine-away') throw failure;
        // The store is away, or a fault of ours: all is looked at again.
        this.#options.log.warn(
          { code: failure.code, reason: failure.message },
          'the engine could not be brought in step',
        );
        this.#dirty = undefined;
        again = RETRY;
      }
    }
  }

  /** False when something was refused and is worth another try. */
  async #once(ids: string[] | undefined, signal: AbortSignal): Promise<boolean> {
    const { following, log } = this.#options;
    const containers = ids?.length === 0 ? [] : await this.#api.containers(signal, ids);
    await following.describe(containers.map(sightingOf), { signal });
    const present = await this.#api.networks(signal);
    // Read after the list: what a user removed there was declined before Docker let go of it, and would be made again.
    const leaving = this.#leaving(present);
    const context = { ...this.#options, version: this.#info.ServerVersion, leaving };
    const step = planStep(this.#wanted ?? [], present, context);
    const problems = await applyStep(step, { ...this.#options, api: this.#api, engine: this.#info.ID, signal });
    await this.#report([...step.problems, ...problems], signal);
    if (!ids) await this.#collect(containers, present, signal);
    const said = problems.map(({ name, reason }) => `${name}: ${reason}`).join('; ');
    if (said !== this.#said && said !== '') log.warn({ reason: said }, 'networks of this engine are not in step');
    this.#said = said;
    return problems.length === 0 && leaving.size === 0;
  }

  #leaving(present: DockerNetwork[]): ReadonlySet<string> {
    const now = performance.now();
    const listed = new Set(present.map(({ Id }) => Id));
    const missing = (this.#wanted ?? []).flatMap(({ bound }) => bound).filter((id) => !listed.has(id));
    this.#missing = new Map(missing.map((id) => [id, this.#missing.get(id) ?? now]));
    return new Set(missing.filter((id) => now - (this.#missing.get(id) ?? now) < REMOVAL));
  }

  async #report(problems: EngineProblem[], signal: AbortSignal): Promise<void> {
    const { ID: id, ServerVersion: version, LiveRestoreEnabled: liveRestore } = this.#info;
    const report = { engine: 'docker', state: 'connected', id, version, liveRestore, problems } as const;
    await this.#options.following.report(report, { signal });
  }

  async #collect(containers: DockerContainer[], networks: DockerNetwork[], signal: AbortSignal): Promise<void> {
    const { following, log } = this.#options;
    const leaks = following.leaks({
      engine: 'docker',
      endpoints: containers.flatMap((container) => sightingOf(container).endpoints),
      networks: networks.map((network) => network.Id),
    });
    for (const leak of leaks) {
      if (leak.kind === 'endpoint' && (await this.#stillKnown(leak, signal))) {
        log.debug({ endpoint: leak.name }, 'an endpoint without a container is still in its engine');
        continue;
      }
      await following.collect(leak, { signal });
    }
  }

  /** Of no container, and yet in the engine: left by a crash of dockerd, which ends it itself. */
  async #stillKnown(leak: { engineId: string; endpointId: string }, signal: AbortSignal): Promise<boolean> {
    const network = await this.#api.network(leak.engineId, signal);
    return Object.values(network?.Containers ?? {}).some(({ EndpointID }) => EndpointID === leak.endpointId);
  }
}
