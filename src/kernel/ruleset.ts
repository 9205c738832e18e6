/**
 * Brings an nftables table of weft's in one namespace to an intent. Level-triggered: it reads the table back and changes
 * only what differs, so calling it when all is well costs a few dumps and changes nothing. The rules are replaced as one
 * table, members one by one, so that a new endpoint does not reset the counters of the others.
 */
import { isDeepStrictEqual } from 'node:util';
import {
  NetlinkError,
  type ElementChange,
  type NftChangeOptions,
  type NftSocket,
  type SetElement,
  type Table,
  type TableName,
} from 'netlink-ts';
import { WeftError } from '../model/errors.ts';
import type { RulesetIntent } from '../plan/ruleset.ts';
import type { KernelFeatures } from './features.ts';
import { compileRuleset, memberSetsOf, WEFT_TABLE } from './guard-tables.ts';

export interface RulesetOptions {
  signal?: AbortSignal;
  /** What the caller applied before: what the kernel has different from that was changed by others. */
  last?: RulesetIntent;
  /** of the kernel that is meant; none when left out */
  features?: KernelFeatures;
}

export interface RulesetResult {
  /** there was no table */
  created: boolean;
  changed: boolean;
  /** as it stood before */
  found: Table | undefined;
  wanted: Table;
  /** what others had changed: 'guard' for rules, 'guard-members' for elements of sets (told only from `last`) */
  repaired: string[];
}

/** Throws WeftError `kernel-refused`; what netlink-ts calls an unknown outcome passes as it is. */
export async function ensureRuleset(
  nft: NftSocket,
  intent: RulesetIntent,
  options: RulesetOptions = {},
): Promise<RulesetResult> {
  const call = options.signal ? { signal: options.signal } : {};
  const wanted = compileRuleset(intent, options.features);
  const members = memberSetsOf(intent);
  try {
    const found = await nft.readTable(wanted, call);
    const repaired = driftOf(found, options.last && compileRuleset(options.last, options.features), {
      wanted,
      members,
    });
    const changed = await bringTable(nft, { found, wanted, intent }, call);
    return { created: found === undefined, changed, found, wanted, repaired };
  } catch (error) {
    throw refused('apply', wanted, error);
  }
}

/** From the table that stands to `wanted`, the one of the intent; false when they are the same. Throws as `ensureRuleset`. */
export async function bringTable(
  nft: NftSocket,
  { found, wanted, intent }: { found: Table | undefined; wanted: Table; intent: RulesetIntent },
  options: NftChangeOptions = {},
): Promise<boolean> {
  const members = memberSetsOf(intent);
  if (isDeepStrictEqual(found, wanted)) return false;
  try {
    if (found && isDeepStrictEqual(skeletonOf(found, members), skeletonOf(wanted, members)))
      await changeMembers(nft, { found, wanted, members }, options);
    else await nft.replaceTable(wanted, options);
  } catch (error) {
    throw refused('apply', wanted, error);
  }
  return true;
}

/** Whether the table is as the intent has it, members and all; `features` undefined: as it is for any kernel. */
export async function rulesetStands(
  nft: NftSocket,
  intent: RulesetIntent,
  features?: KernelFeatures,
): Promise<boolean> {
  const kernels = features ? [features] : [{ counts: true }, { counts: false }];
  const name = compileRuleset(intent);
  try {
    const found = await nft.readTable(name);
    return kernels.some((one) => isDeepStrictEqual(found, compileRuleset(intent, one)));
  } catch (error) {
    throw refused('read', name, error);
  }
}

/** A table that is not there is a success. */
export async function removeRuleset(nft: NftSocket, options: { signal?: AbortSignal } = {}): Promise<void> {
  try {
    await nft.deleteTable(WEFT_TABLE, options);
  } catch (error) {
    throw refused('remove', WEFT_TABLE, error);
  }
}

interface MemberChange {
  found: Table;
  wanted: Table;
  /** names of sets */
  members: readonly string[];
}

async function changeMembers(
  nft: NftSocket,
  { found, wanted, members }: MemberChange,
  options: NftChangeOptions,
): Promise<void> {
  const changes = members.map((set): ElementChange => {
    const [has, needs] = [elementsOf(found, set), elementsOf(wanted, set)];
    return { set, add: missingFrom(has, needs), delete: missingFrom(needs, has) };
  });
  try {
    await nft.changeElements(wanted, changes, options);
  } catch (error) {
    // an element or the table went after it was read
    if (!(error instanceof NetlinkError && error.code === 'ENOENT')) throw error;
    await nft.replaceTable(wanted, options);
  }
}

/** Without `last` only rules can be told from changes of the cluster's own. */
function driftOf(
  found: Table | undefined,
  last: Table | undefined,
  { wanted, members }: Omit<MemberChange, 'found'>,
): string[] {
  const rules = (table: Table | undefined) => table && skeletonOf(table, members);
  if (!last) return found && !isDeepStrictEqual(rules(found), rules(wanted)) ? ['guard'] : [];
  if (!isDeepStrictEqual(rules(found), rules(last))) return ['guard'];
  const same = members.every((set) => found && isDeepStrictEqual(elementsOf(found, set), elementsOf(last, set)));
  return same || !found ? [] : ['guard-members'];
}

function skeletonOf(table: Table, members: readonly string[]): Table {
  return { ...table, sets: table.sets.map((set) => (members.includes(set.name) ? { ...set, elements: [] } : set)) };
}

export function elementsOf(table: Table, name: string): SetElement[] {
  return table.sets.find((set) => set.name === name)?.elements ?? [];
}

/** Elements of `all` that are not among `some`; in a map, those that lead elsewhere among them. */
export function missingFrom(some: readonly SetElement[], all: readonly SetElement[]): SetElement[] {
  const known = new Map(some.map(({ key, value }) => [key, value]));
  return all.filter(({ key, value }) => !known.has(key) || !isDeepStrictEqual(known.get(key), value));
}

function refused(verb: string, { family, name }: TableName, error: unknown): unknown {
  if (!(error instanceof NetlinkError)) return error;
  const table = `${family} ${name}`;
  return new WeftError('kernel-refused', `${verb} nftables table ${table}: ${error.message}`, {
    object: `table ${table}`,
    cause: error,
  });
}
