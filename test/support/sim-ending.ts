/** What must be true of a cluster in the end, when nothing disturbs it any more. */
import { formatCidr } from '../../src/model/address/cidr.ts';
import { cidrFrom } from '../../src/model/ipam/blocks.ts';
import type { BlockRecord } from '../../src/model/ipam/blocks.ts';
import { cidrsOf, spanOf } from '../../src/model/ipam/spans.ts';
import { keys, prefixes } from '../../src/model/keys.ts';
import { SPACE } from '../../src/control/ownership/keys.ts';
import type { SpaceRecord } from '../../src/control/ownership/space-records.ts';
import type { Network } from '../../src/model/objects.ts';
import { Violation } from './sim-judge.ts';
import type { Steps } from './sim-steps.ts';
import type { SimWorld } from './sim-world.ts';

interface Time {
  pass: (milliseconds: number) => Promise<void>;
  until: (what: string, condition: () => boolean, limit?: number) => Promise<void>;
}

/** What goes with its network, or before. */
const OF_NETWORKS = [
  ...[prefixes.networks, prefixes.blocks, prefixes.addresses, prefixes.endpoints, prefixes.bindings],
  ...['pools/', 'vnis/', 'macs/', 'names/network/', 'names/endpoint/', prefixes.descriptions],
];

export class Ending {
  readonly #world: SimWorld;
  readonly #steps: Steps;
  readonly #time: Time;

  constructor(world: SimWorld, steps: Steps, time: Time) {
    this.#world = world;
    this.#steps = steps;
    this.#time = time;
  }

  async all(): Promise<void> {
    await this.#untilQuiet();
    await this.#oneTruth();
    await this.#empty();
    await this.#deleteNetworks();
  }

  async #untilQuiet(): Promise<void> {
    const { hosts } = this.#world;
    await this.#time.until('all that nodes own is published', () =>
      hosts.every(({ daemon }) => daemon?.deps?.ownership.publisher.idle === true),
    );
    await this.#untilNone('nothing is left of forgotten nodes', () => this.#ofTheForgotten());
    // What its node learnt late, it collects after a grace.
    await this.#untilNone('no journal has anything of a network that is gone or has to go', () => this.#ofTheGone());
    await this.#time.pass(6_000);
  }

  async #untilNone(what: string, left: () => string[]): Promise<void> {
    try {
      await this.#time.until(what, () => left().length === 0);
    } catch (error) {
      if (left().length === 0) throw error;
      throw new Violation(`${(error as Error).message}: ${left().join(', ')}`);
    }
  }

  /** Something may be on its way at any moment; sooner or later nothing is. */
  async #oneTruth(): Promise<void> {
    for (let tries = 0; ; tries++) {
      try {
        this.#assertRecords();
        this.#assertSpace();
        this.#assertPictures();
        return;
      } catch (error) {
        if (tries === 40) throw error;
        await this.#time.pass(300);
      }
    }
  }

  #ofTheForgotten(): string[] {
    const { etcd, judge } = this.#world;
    const blocks = etcd.list(prefixes.blocks).filter(({ value }) => {
      return (value as BlockRecord).parts.some(({ owner }) => judge.fenced.has(owner));
    });
    const records = [prefixes.addresses, prefixes.endpoints].flatMap((prefix) =>
      etcd.list(prefix).filter(({ value }) => judge.fenced.has((value as { node: string }).node)),
    );
    return [...blocks, ...records].map(({ key }) => key);
  }

  #ofTheGone(): string[] {
    const { etcd, hosts } = this.#world;
    // Who was down while a network was deleted by force has its space in the journal alone, until an endpoint that its engine forgot
    // is collected.
    const isGoing = (id: string) => {
      const network = etcd.read(keys.network(id))?.value as Network | undefined;
      return !network || network.leaving?.force === true;
    };
    return hosts.flatMap(({ daemon, name }) =>
      [prefixes.endpoints, SPACE].flatMap((prefix) =>
        [...(daemon?.deps?.ownership.records.entries(prefix) ?? [])]
          .filter(([, value]) => isGoing((value as { network: string }).network))
          .map(([key]) => `${key} of ${name}`),
      ),
    );
  }

  /** etcd holds what the journals hold. */
  #assertRecords(): void {
    const { etcd, hosts } = this.#world;
    const owned = new Map<string, string>();
    for (const { daemon, name } of hosts) {
      if (!daemon?.deps) throw new Violation(`${name} does not serve at the end: ${String(daemon?.failure)}`);
      for (const prefix of [prefixes.addresses, prefixes.endpoints]) {
        for (const [key, value] of daemon.deps.ownership.records.entries(prefix)) {
          if (owned.has(key)) throw new Violation(`${key} is in two journals`);
          owned.set(key, JSON.stringify(value));
        }
      }
    }
    for (const [key, value] of owned) {
      const stored = JSON.stringify(etcd.read(key)?.value);
      if (stored !== value) throw new Violation(`${key} is ${value} in a journal and ${stored} in etcd`);
    }
    for (const prefix of [prefixes.addresses, prefixes.endpoints]) {
      const left = etcd.list(prefix).find(({ key }) => !owned.has(key));
      if (left) throw new Violation(`${left.key} is in etcd and in no journal: ${JSON.stringify(left.value)}`);
    }
  }

  /** Space is where the journals say it is, and nothing of it is on its way. */
  #assertSpace(): void {
    const { etcd, hosts } = this.#world;
    const stored = new Map<string, string[]>();
    for (const { value } of etcd.list(prefixes.blocks)) {
      const { network, parts } = value as BlockRecord;
      for (const { cidr, owner } of parts) add(stored, `${owner} in ${network}`, cidr);
    }
    const owned = new Map<string, string[]>();
    for (const { daemon, nodeId } of hosts) {
      for (const [, value] of daemon?.deps?.ownership.records.entries(SPACE) ?? []) {
        const { network, parts, moving } = value as SpaceRecord;
        if (moving.length > 0) throw new Violation(`${nodeId} has ${moving.map(({ cidr }) => cidr).join()} on its way`);
        for (const cidr of parts) add(owned, `${nodeId} in ${network}`, cidr);
      }
    }
    for (const who of new Set([...stored.keys(), ...owned.keys()])) {
      const [one, other] = [shortest(stored.get(who)), shortest(owned.get(who))];
      if (one !== other)
        throw new Violation(`${who} has ${one || 'nothing'} in etcd and ${other || 'nothing'} in its journal`);
    }
  }

  /** All nodes see what etcd has. */
  #assertPictures(): void {
    const { etcd, hosts } = this.#world;
    const stored = new Map(etcd.list('').map(({ key, value }) => [key, JSON.stringify(value)]));
    for (const { daemon, name } of hosts) {
      const view = daemon?.deps?.view;
      const seen = new Set(view?.keys('') ?? []);
      const missing = [...stored.keys()].find((key) => !seen.has(key));
      if (missing !== undefined) throw new Violation(`${name} does not see ${missing}`);
      for (const key of seen) {
        const shown = JSON.stringify(view?.value(key));
        if (shown !== stored.get(key))
          throw new Violation(`${name} sees ${key} as ${shown}, etcd has ${stored.get(key)}`);
      }
    }
  }

  /** Users end what there is, also what they never got an answer for. */
  async #empty(): Promise<void> {
    this.#world.note('--- everything is detached');
    const { hosts, etcd, judge } = this.#world;
    const engines = Promise.all(hosts.map((host) => host.endEngine()));
    for (let tries = 0; tries < 3; tries++) {
      for (const { daemon, nodeId } of hosts) {
        for (const [, value] of [...(daemon?.deps?.ownership.records.entries(prefixes.endpoints) ?? [])]) {
          const { id, node, engine } = value as { id: string; node: string; engine: { type: string } };
          if (daemon && node === nodeId && engine.type === 'manual') this.#steps.users.detachOn(daemon, id);
        }
      }
      await this.#time.pass(1_000);
    }
    let ended = false;
    void engines.then(() => (ended = true));
    await this.#time.until('all engines have ended their containers', () => ended);
    await this.#time.until('the last address has rested', () => etcd.list(prefixes.addresses).length === 0, 240_000);
    if (judge.live.size > 0)
      throw new Violation(`${judge.live.size} endpoints are left: ${[...judge.live.keys()].join()}`);
  }

  async #deleteNetworks(): Promise<void> {
    const { etcd, hosts } = this.#world;
    this.#world.note('--- the networks are deleted');
    const control = hosts[0]?.daemon?.control;
    let tries = 0;
    await this.#untilNone('nothing is left of any network', () => {
      // Refused while an engine's binding stands that has to be seen to be a leak first.
      const again = tries++ % 8 === 0 ? etcd.list(prefixes.networks) : [];
      for (const { key } of again) {
        control?.deleteNetwork({ ref: key.slice(prefixes.networks.length), force: false }).catch(() => undefined);
      }
      return OF_NETWORKS.flatMap((prefix) => etcd.list(prefix).map(({ key }) => key));
    });
    for (const { daemon, name } of hosts) {
      const records = [...(daemon?.deps?.ownership.records.entries() ?? [])].map(([key]) => key);
      const kept = records.filter(
        (key) => key.startsWith(SPACE) || OF_NETWORKS.some((prefix) => key.startsWith(prefix)),
      );
      if (kept.length > 0) throw new Violation(`the journal of ${name} still has ${kept.join(', ')}`);
    }
  }
}

function add(map: Map<string, string[]>, key: string, value: string): void {
  map.set(key, [...(map.get(key) ?? []), value]);
}

/** However it was cut. */
function shortest(texts: string[] = []): string {
  return ([4, 6] as const)
    .flatMap((family) => {
      const cidrs = texts.map(cidrFrom).filter((cidr) => cidr.family === family);
      return cidrsOf(family, cidrs.map(spanOf)).map(formatCidr);
    })
    .join();
}
