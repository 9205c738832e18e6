/** This node as an audit sees it: its journal, what the store says of the same, its engine, its kernel. */
import { isDeepStrictEqual } from 'node:util';
import type { EnginePicture, NodePicture, RecordDifference } from '../../audit/pictures.ts';
import { describeCause } from '../../model/errors.ts';
import { prefixes } from '../../model/keys.ts';
import type { AddressRecord, Endpoint, EndpointDescription } from '../../model/objects.ts';
import type { ControlDeps } from '../context.ts';
import { isOwn, isPublished } from '../ownership/keys.ts';

const ENGINE_DEADLINE = 3_000;

export async function nodePicture(deps: ControlDeps, signal: AbortSignal | undefined): Promise<NodePicture> {
  const [engine, kernel] = await Promise.all([enginePicture(deps, signal), deps.reconciler.look()]);
  // All that follows is from memory, in one step.
  const { records } = deps.ownership;
  const own = <T>(prefix: string) => [...records.entries(prefix)].map(([, value]) => value as T);
  return {
    node: deps.node,
    state: deps.view.current().state,
    journal: {
      endpoints: own<Endpoint>(prefixes.endpoints),
      addresses: own<AddressRecord>(prefixes.addresses),
      descriptions: own<EndpointDescription>(prefixes.descriptions),
      differences: [...lacking(deps), ...unowned(deps)],
    },
    engine,
    kernel,
    now: deps.now().getTime(),
  };
}

/** Of what the journal says is in the store. */
function lacking({ ownership: { records }, view }: ControlDeps): RecordDifference[] {
  return [...records.entries()].flatMap(([key, value]): RecordDifference[] => {
    if (!isPublished(key) || records.isPending(key)) return [];
    const stored = view.stored(key);
    if (!stored) return [{ key, state: 'unpublished' }];
    return isDeepStrictEqual(stored.value, value) ? [] : [{ key, state: 'different' }];
  });
}

/** What the store has as this node's own. */
function unowned({ ownership: { records }, view, node }: ControlDeps): RecordDifference[] {
  const owned = [prefixes.endpoints, prefixes.addresses, prefixes.descriptions];
  return owned
    .flatMap((prefix) => view.keys(prefix))
    .filter((key) => isOwn(key) && !records.decides(key) && view.value<{ node?: string }>(key)?.node === node.id)
    .map((key) => ({ key, state: 'unowned' }));
}

/** One that is away shows nothing: that is said elsewhere, and nothing is concluded from it. */
async function enginePicture(
  { engineShows, log }: ControlDeps,
  signal: AbortSignal | undefined,
): Promise<EnginePicture | undefined> {
  const deadline = AbortSignal.timeout(ENGINE_DEADLINE);
  try {
    return await engineShows?.(signal ? AbortSignal.any([signal, deadline]) : deadline);
  } catch (error) {
    log.debug({ reason: describeCause(error) }, 'the engine was left out of an audit');
    return undefined;
  }
}
