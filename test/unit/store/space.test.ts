import { describe, expect, it } from 'vitest';
import { isBackupDue } from '../../../src/store/managed/backups.ts';
import {
  hasRoom,
  isFilling,
  isTurnOf,
  isWorthDefragmenting,
  sizeText,
  TURN,
} from '../../../src/store/managed/space.ts';

const MIB = 1024 ** 2;
const QUOTA = 2048 * MIB;

describe('the space of a managed etcd', () => {
  it('is given back when half of a large file holds nothing', () => {
    const worth = (dbSize: number, dbSizeInUse: number) =>
      isWorthDefragmenting({ dbSize: dbSize * MIB, dbSizeInUse: dbSizeInUse * MIB }, QUOTA);
    expect([worth(200, 100), worth(200, 101), worth(63, 1), worth(64, 1)]).toEqual([true, false, false, true]);
  });

  it('is given back by one member at a time, each having its turn', () => {
    const members = ['c', 'a', 'b'];
    const turns = [0, 1, 2, 3].map((n) => members.filter((one) => isTurnOf(one, members, new Date(n * TURN + 1))));
    expect(turns).toEqual([['a'], ['b'], ['c'], ['a']]);
    expect(isTurnOf('a', ['a'], new Date(TURN))).toBe(true);
  });

  it('is told of before it ends, and trusted only with room to spare', () => {
    const size = (part: number) => ({ dbSize: QUOTA * part, dbSizeInUse: QUOTA * part });
    expect([isFilling(size(0.79), QUOTA), isFilling(size(0.81), QUOTA)]).toEqual([false, true]);
    expect([hasRoom(size(0.89), QUOTA), hasRoom(size(0.91), QUOTA)]).toEqual([true, false]);
    expect([0, 512, 1536, QUOTA].map(sizeText)).toEqual(['0 B', '512 B', '1.5 KiB', '2.0 GiB']);
  });

  it('is backed up each day, and a backup from the future does not stop that', () => {
    const now = new Date('2026-01-02T00:00:00Z');
    const due = (...taken: string[]) =>
      isBackupDue(
        taken.map((takenAt) => ({ path: '', bytes: 1, takenAt: new Date(takenAt) })),
        now,
      );
    expect([due(), due('2026-01-01T00:00:00Z'), due('2026-01-01T00:00:01Z'), due('2027-01-01T00:00:00Z')]).toEqual([
      ...[true, true, false, true],
    ]);
  });
});
