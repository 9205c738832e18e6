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
  const { nodes } = deps.view.current().state;
  const now = clusterLevel(deps);
  const readable = Math.min(...[...nodes.values()].map(levelOf));
  if (nodes.size === 0 || readable <= now) return;
  const before = deps.view.value<LevelRecord>(keys.level);
  const record: LevelRecord = { ...before, level: readable, since: deps.now().toISOString() };
  const { succeeded, revision } = await deps.store.transact(
    {
      compare: [{ key: keys.level, revision: deps.view.revisionOf(keys.level) }, ...deps.ownership.standing.compare()],
      then: [{ put: keys.level, value: record }],
    },
    context,
  );
  if (!succeeded) return;
  await deps.view.reached(revision, 1_000, context.signal);
  deps.log.info(
    { level: readable, was: now },
    'every node reads the next level: the cluster’s state is of it from now on',
  );
}

/** While some nodes are upgraded and others are not. */
export function levelConditions(deps: Pick<ControlDeps, 'view'>): Condition[] {
  const { nodes } = deps.view.current().state;
  const next = Math.max(1, ...[...nodes.values()].map(levelOf));
  if (next <= clusterLevel(deps)) return [];
  const others = behind(deps, next).map(({ name, version }) => `${name} (${version})`);
  const since = [...nodes.values()].find((node) => levelOf(node) === next)?.createdAt ?? '';
  return others.length === 0
    ? []
    : [
        {
          type: 'upgrade-under-way',
          object: keys.level,
          message: `features of level ${next} wait for nodes that are not upgraded yet: ${others.join(', ')}`,
          since: deps.view.value<LevelRecord>(keys.level)?.since ?? since,
        },
      ];
}

function behind({ view }: Pick<Deps, 'view'>, level: number): { name: string; version: string }[] {
  return [...view.current().state.nodes.values()].filter((node) => levelOf(node) < level);
}
