/**
 * Networks that run out of addresses, as conditions: from 75 % on, and once more from 90 %. A condition stays until five
 * percent below where it began, so that one container that comes and goes does not make it come and go.
 */
import type { ClusterState } from '../model/cluster.ts';
import { percentUsed } from '../model/ipam/usage.ts';
import type { Usage } from '../model/ipam/usage.ts';
import type { Condition } from '../model/status.ts';
import { familyUsages } from './network-usage.ts';
import { networkName } from './references.ts';

/** percent, highest first */
const LEVELS = [
  { type: 'addresses-nearly-gone', from: 90 },
  { type: 'addresses-running-low', from: 75 },
] as const;
const SLACK = 5;
/** below it nothing is ever said */
const LOWEST = 75 - SLACK;

type Level = (typeof LEVELS)[number];

export class PoolConditions {
  /** by network and family */
  readonly #raised = new Map<string, { level: Level; since: string }>();
  #last: { state: ClusterState; found: Condition[] } | undefined;

  /** What holds now; to be asked often enough that a level is not passed unseen both ways. */
  look(state: ClusterState, now: Date): Condition[] {
    // Peers ask for the status with every address that rests.
    if (this.#last?.state === state) return this.#last.found;
    const seen = new Set<string>();
    const found: Condition[] = [];
    for (const { network, family, usage } of familyUsages(state, LOWEST)) {
      const key = `${network.id}/${family}`;
      const before = this.#raised.get(key);
      const level = levelOf(percentUsed(usage), before?.level);
      if (!level) continue;
      seen.add(key);
      const since = before?.level === level ? before.since : now.toISOString();
      this.#raised.set(key, { level, since });
      const object = networkName(state, network);
      found.push({ type: level.type, object, message: messageOf(object, family, usage), since });
    }
    for (const key of this.#raised.keys()) if (!seen.has(key)) this.#raised.delete(key);
    this.#last = { state, found };
    return found;
  }
}

function levelOf(percent: number, before: Level | undefined): Level | undefined {
  return LEVELS.find((level) => percent >= (before && before.from >= level.from ? level.from - SLACK : level.from));
}

function messageOf(object: string, family: 4 | 6, usage: Usage): string {
  const { bound, held, resting, capacity } = usage;
  const parts = [`${bound} bound`, `${held} held`, `${resting} resting`].join(', ');
  return `${percentUsed(usage)} % of ${capacity} IPv${family} addresses are used (${parts}); next: weft network extend ${object} --subnet CIDR`;
}
