/**
 * Brings the nftables table `inet weft` of one namespace to an intent. Level-triggered: it reads the table back and changes
 * only what differs, so calling it when all is well costs a few dumps and changes nothing. The rules are replaced as one
 * table, members one by one, so that a new endpoint does not reset the counters of the others.
 */
import { isDeepStrictEqual } from 'node:util';
import { NetlinkError, type NftSocket, type SetElement, type Table } from 'netlink-ts';
import { WeftError } from '../model/errors.ts';
import type { RulesetIntent } from '../plan/ruleset.ts';
import { compileRuleset, MEMBERS_SET, WEFT_TABLE } from './guard-tables.ts';

export interface RulesetOptions {
  signal?: AbortSignal;
  /** What the caller applied before: what the kernel has different from that was changed by others. */
  last?: RulesetIntent;
}

export interface RulesetResult {
  /** there was no table */
  created: boolean;
  changed: boolean;
  /** what others had changed: 'guard' for rules, 'guard-members' for the set (told only from `last`) */
  repaired: string[];
}

/** Throws WeftError `kernel-refused`; what netlink-ts calls an unknown outcome passes as it is. */
export async function ensureRuleset(
  nft: NftSocket,
  intent: RulesetIntent,
  options: RulesetOptions = {},
): Promise<RulesetResult> {
  const call = options.signal ? { signal: options.signal } : {};
  try {
    const wanted = compileRuleset(intent);
    const found = await nft.readTable(WEFT_TABLE, call);
    const repaired = driftOf(found, wanted, options.last && compileRuleset(options.last));
    if (isDeepStrictEqual(found, wanted)) return { created: false, changed: false, repaired };
    if (found && isDeepStrictEqual(skeletonOf(found), skeletonOf(wanted)))
      await changeMembers(nft, found, wanted, call);
    else await nft.replaceTable(wanted, call);
    return { created: found === undefined, changed: true, repaired };
  } catch (error) {
    throw refused('apply', error);
  }
}

/** A table that is not there is a success. */
export async function removeRuleset(nft: NftSocket, options: { signal?: AbortSignal } = {}): Promise<void> {
  try {
    await nft.deleteTable(WEFT_TABLE, options);
  } catch (error) {
    throw refused('remove', error);
  }
}

async function changeMembers(
  nft: NftSocket,
  found: Table,
  wanted: Table,
  call: { signal?: AbortSignal },
): Promise<void> {
  const change = {
    set: MEMBERS_SET,
    add: missingFrom(membersOf(found), membersOf(wanted)),
    delete: missingFrom(membersOf(wanted), membersOf(found)),
  };
  try {
    await nft.changeElements(WEFT_TABLE, [change], call);
  } catch (error) {
    // an element or the table went after it was read
    if (!(error instanceof NetlinkError && error.code === 'ENOENT')) throw error;
    await nft.replaceTable(wanted, call);
  }
}

function driftOf(found: Table | undefined, wanted: Table, last: Table | undefined): string[] {
  const drift: string[] = [];
  if (last) {
    if (!isDeepStrictEqual(found && skeletonOf(found), skeletonOf(last))) drift.push('guard');
    else if (found && !isDeepStrictEqual(membersOf(found), membersOf(last))) drift.push('guard-members');
  } else if (found && !isDeepStrictEqual(skeletonOf(found), skeletonOf(wanted))) {
    drift.push('guard');
  }
  return drift;
}

function skeletonOf(table: Table): Table {
  return { ...table, sets: table.sets.map((set) => (set.name === MEMBERS_SET ? { ...set, elements: [] } : set)) };
}

function membersOf(table: Table): SetElement[] {
  return table.sets.find(({ name }) => name === MEMBERS_SET)?.elements ?? [];
}

/** Elements of `all` that are not among `some`. */
function missingFrom(some: readonly SetElement[], all: readonly SetElement[]): SetElement[] {
  const known = new Set(some.map(({ key }) => key));
  return all.filter(({ key }) => !known.has(key));
}

function refused(verb: string, error: unknown): unknown {
  if (!(error instanceof NetlinkError)) return error;
  const table = `${WEFT_TABLE.family} ${WEFT_TABLE.name}`;
  return new WeftError('kernel-refused', `${verb} nftables table ${table}: ${error.message}`, {
    object: `table ${table}`,
    cause: error,
  });
}
