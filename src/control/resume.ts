/** The end of a recovery from a backup of the store: said once, for all nodes. */
import { WeftError } from '../model/errors.ts';
import { keys } from '../model/keys.ts';
import type { FenceRecord, RestorationRecord } from '../model/objects.ts';
import type { ControlDeps } from './context.ts';
import { isOf } from './ownership/recovery.ts';
import type { CallContext } from './port.ts';

/**
 * Refused while nodes have not written again what they own, unless forced: their addresses would be given to others.
 * @returns names of the nodes that were not heard from
 */
export async function resumeStore(
  deps: ControlDeps,
  { force }: { force: boolean },
  context: CallContext = {},
): Promise<{ missing: string[] }> {
  const options = { deadline: 4_000, ...context };
  await deps.view.sync(options);
  const key = keys.restoration;
  const restoration = deps.view.value<RestorationRecord>(key);
  if (!deps.ownership.isRecovering()) {
    throw new WeftError('not-supported', 'the store was not restored: there is nothing to resume', {
      next: 'weft status',
    });
  }
  if (!restoration || restoration.resumedAt !== undefined || !isOf(restoration, deps.store.restored())) {
    throw new WeftError('not-ready', 'no node has begun to recover yet', { next: 'repeat the call in a few seconds' });
  }
  const missing = [...deps.view.current().state.nodes.values()]
    .filter(({ id }) => deps.view.value<FenceRecord>(keys.fence(id))?.recovered !== restoration.id)
    .map(({ name }) => name);
  if (missing.length > 0 && !force) {
    throw new WeftError('not-ready', `not heard from since the restore: ${missing.join(', ')}`, {
      next: 'start weftd there, or leave them behind: weft store resume --force',
    });
  }
  const resumed: RestorationRecord = { ...restoration, resumedAt: deps.now().toISOString() };
  const compare = [{ key, revision: deps.view.revisionOf(key) }];
  const { succeeded } = await deps.store.transact({ compare, then: [{ put: key, value: resumed }] }, options);
  if (!succeeded)
    throw new WeftError('store-conflict', 'another node resumed at the same time', { next: 'weft status' });
  return { missing };
}
