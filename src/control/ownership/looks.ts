/**
 * Looks for space that found none. Of many that wait for the last addresses of a pool, each after the other, one look is the
 * answer for all who waited when it began.
 */
import { formatCidr } from '../../model/address/cidr.ts';
import type { Need } from './need.ts';

export class Looks {
  /** by network: the last one, when it was in vain; monotonic, milliseconds */
  readonly #inVain = new Map<string, { began: number; of: string }>();

  /** True when a look that began after `asked` found nothing for such a need. */
  foundNone(need: Need, asked: number): boolean {
    const last = this.#inVain.get(need.network.id);
    return last !== undefined && need.wanted === undefined && last.of === kindOf(need) && last.began > asked;
  }

  inVain(need: Need, began: number): void {
    if (need.wanted === undefined) this.#inVain.set(need.network.id, { began, of: kindOf(need) });
  }

  /** Something may be found again. */
  anew(need: Need): void {
    this.#inVain.delete(need.network.id);
  }
}

function kindOf({ pools, range }: Need): string {
  return `${pools.map(({ cidr }) => formatCidr(cidr)).join()} ${range ?? ''}`;
}
