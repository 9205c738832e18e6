/** Following the announcements of this host's endpoints: one after the other, so that the last word counts. */
import type { AddressClaim } from '../../plan/port-guard/claim.ts';
import type { ControlDeps } from '../context.ts';
import { takeClaim } from './holder.ts';

/** milliseconds between two complaints that claims fail */
const PAUSE = 60_000;
/** In milliseconds. What is older waited for a store that was away: who held the address then may not any more. */
const OLD_NEWS = 5_000;

/** Until the claims end with the signal. A claim that fails or is late is lost: whoever means it announces again. */
export async function followClaims(
  deps: ControlDeps,
  claims: AsyncIterable<AddressClaim>,
  signal: AbortSignal,
): Promise<void> {
  let complained = -Infinity;
  for await (const claim of claims) {
    if (performance.now() - claim.at > OLD_NEWS) continue;
    try {
      await takeClaim(deps, claim, { signal });
    } catch (error) {
      if (signal.aborted) return;
      const now = performance.now();
      if (now - complained < PAUSE) continue;
      complained = now;
      deps.log.warn({ err: error, address: claim.address }, 'a shared address could not be given to who announced it');
    }
  }
}
