/**
 * The cluster's level (model/level.ts) rises when its last node can read the next one, and never falls: who reads less does not
 * serve. A registration that tells of another level than the node's record does writes the cluster's again, so that a rise that
 * was decided without it finds the record changed. One that tells the same holds a rise down by its record as it stands, and
 * all nodes of a cluster that come back at once do not race for the one key.
 */
import { WeftError } from '../model/errors.ts';
import { keys } from '../model/keys.ts';
import { levelOf } from '../model/level.ts';
import type { LevelRecord } from '../model/level.ts';
import type { Condition } from '../model/status.ts';
import type { Compare, Operation } from '../store/port.ts';
import { commit } from './commit.ts';
import type { Decision } from './commit.ts';
import type { ControlDeps } from './context.ts';
import type { CallContext } from './port.ts';

type Deps = Pick<ControlDeps, 'view' | 'now'>;

export function clusterLevel({ view }: Pick<Deps, 'view'>): number {
  return levelOf(view.value<LevelRecord>(keys.level));
}

/** Throws `state-newer` where the cluster's state is of a level that this weft does not read. */
export function assertReadable(deps: Pick<ControlDeps, 'view' | 'level' | 'version' | 'node'>): void {
  const level = clusterLevel(deps);
  if (level <= deps.level) return;
  const { nodes } = deps.view.current().state;
  const newest = [...nodes.values()].find((node) => node.id !== deps.node.id && levelOf(node) >= level);
  throw new WeftError(
    'state-newer',
    `the cluster’s state is of level ${level}; this weftd (${deps.version}) reads up to ${deps.level}`,
    {
      object: keys.level,
      ...(newest && { next: `install weft ${newest.version} here, as on ${newest.name}, and start weftd again` }),
    },
  );
}

/** Tells of a level that rose above this daemon's: after its node's record went while it ran. */
export function whenUnreadable(deps: Parameters<typeof assertReadable>[0], refuse: (error: unknown) => void): void {
  deps.view.onChange(({ keys: changed }) => {
    if (changed && !changed.includes(keys.level)) return;
    try {
      assertReadable(deps);
    } catch (error) {
      refuse(error);
    }
  });
}

/** For the transaction that registers a node with another level than is known of it. */
export function touchLevel({ view, now }: Deps): { compare: Compare[]; then: Operation[] } {
  const record = view.value<LevelRecord>(keys.level) ?? { level: 1, since: now().toISOString() };
  return {
    compare: [{ key: keys.level, revision: view.revisionOf(keys.level) }],
    then: [{ put: keys.level, value: record }],
  };
}

/** What a feature writes only older nodes would misread: throws `level-too-low` until the cluster has reached its level. */
export function requireLevel(deps: Pick<ControlDeps, 'view'>, level: number, feature: string): void {
  if (clusterLevel(deps) >= level) return;
  const names = behind(deps, level).map(({ name, version }) => `${name} (${version})`);
  const waits = names.length > 0 ? `not upgraded yet: ${names.join(', ')}` : 'the last node was upgraded a moment ago';
  throw new WeftError(
    'level-too-low',
    `${feature} need level ${level}, the cluster is at ${clusterLevel(deps)}; ${waits}`,
    {
      object: keys.level,
    },
  );
}

/** To what all nodes read by now. Any node does it. */
export async function raiseLevel(deps: ControlDeps, context: CallContext = {}): Promise<void> {
  if (!decideRise(deps).result) return;
  const { result } = await commit(deps, () => decideRise(deps), context);
  if (result) deps.log.info(result, 'every node reads the next level: the cluster’s state is of it from now on');
}

function decideRise({ view, now }: Deps): Decision<{ level: number; was: number } | undefined> {
  const { nodes } = view.current().state;
  const was = clusterLevel({ view });
  const level = Math.min(...[...nodes.values()].map(levelOf));
  if (nodes.size === 0 || level <= was) return { compare: [], then: [], result: undefined };
  const record = { ...view.value<LevelRecord>(keys.level), level, since: now().toISOString() };
  return {
    compare: [{ key: keys.level, revision: view.revisionOf(keys.level) }],
    then: [{ put: keys.level, value: record }],
    result: { level, was },
  };
}

/** While some nodes are upgraded and others are not: since when this daemon has seen it so. */
export class UpgradeCondition {
  #sighted: { level: number; since: string } | undefined;

  look(deps: Deps): Condition[] {
    const { nodes } = deps.view.current().state;
    const level = Math.max(1, ...[...nodes.values()].map(levelOf));
    const others = level > clusterLevel(deps) ? behind(deps, level) : [];
    if (others.length === 0) this.#sighted = undefined;
    else if (this.#sighted?.level !== level) this.#sighted = { level, since: deps.now().toISOString() };
    if (!this.#sighted) return [];
    const names = others.map(({ name, version }) => `${name} (${version})`).join(', ');
    const message = `features of level ${level} wait for nodes that are not upgraded yet: ${names}`;
    return [{ type: 'upgrade-under-way', object: keys.level, message, since: this.#sighted.since }];
  }
}

function behind({ view }: Pick<Deps, 'view'>, level: number): { name: string; version: string }[] {
  return [...view.current().state.nodes.values()].filter((node) => levelOf(node) < level);
}
