/** When a member's database file is worth shrinking, and whose turn it is. Pure. */

export interface DatabaseSize {
  /** bytes: the file, and what of it holds data */
  dbSize: number;
  dbSizeInUse: number;
}

/** Below it there is nothing to gain, and a member that defragments answers nobody meanwhile. */
const WORTHWHILE_BYTES = 64 * 1024 ** 2;
/** milliseconds; longer than a defragmentation may take, and than clocks of a cluster's hosts differ */
export const TURN = 600_000;
/** of the quota: from here on an operator should know */
const FILLING = 0.8;

/** Half of the file holds nothing. `quota`: a smaller one makes less worthwhile. */
export function isWorthDefragmenting({ dbSize, dbSizeInUse }: DatabaseSize, quota: number): boolean {
  return dbSize >= Math.min(WORTHWHILE_BYTES, quota / 4) && dbSizeInUse * 2 <= dbSize;
}

/** Each member has a turn of ten minutes in each round, in the order of their ids, so that never two are away at once. */
export function isTurnOf(member: string, members: readonly string[], now: Date): boolean {
  const order = [...members].sort();
  return order[Math.floor(now.getTime() / TURN) % order.length] === member;
}

export function isFilling({ dbSizeInUse }: DatabaseSize, quota: number): boolean {
  return dbSizeInUse > quota * FILLING;
}

/** Space enough under the quota that lifting the alarm does not raise it again at once. */
export function hasRoom({ dbSize }: DatabaseSize, quota: number): boolean {
  return dbSize < quota * 0.9;
}

/** "1.5 GiB" */
export function sizeText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  return `${(bytes / 1024 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`;
}
