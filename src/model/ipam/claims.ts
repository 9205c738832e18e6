/**
 * How space of a block changes hands: claimed where it is free, carved out by its owner for another, given back. All are
 * pure; the record that comes out is written by one compare-and-swap of the one that went in. None of them knows which
 * addresses are in use: who carves or gives back has to (chooseCarve).
 */
import { formatCidr, lastOf } from '../address/cidr.ts';
import type { Cidr } from '../address/cidr.ts';
import { addressPart, cidrFrom, freeParts, mergeParts, ownedParts, partFor, partOf } from './blocks.ts';
import type { BlockPart, BlockRecord, Owner } from './blocks.ts';
import { usableIn } from './pool.ts';
import type { Pool } from './pool.ts';
import { cidrsOf, sizeOf, spanOf, within, without } from './spans.ts';

/** Parts of one record. A block split finer than this would make a value that costs more than the space is worth. */
export const MAX_PARTS = 1024;

export type ClaimFailure =
  /** a part of what was asked for has an owner, perhaps the asker itself */
  | { ok: false; reason: 'owned'; owner: string }
  /** nothing of the block, or of the range asked for, is free and of use to endpoints */
  | { ok: false; reason: 'full' }
  /** not an address or a part of this block */
  | { ok: false; reason: 'outside' }
  /** who carves or gives back does not own all of it */
  | { ok: false; reason: 'not-owner' }
  | { ok: false; reason: 'too-many-parts'; limit: number };

/** `part` changed hands; `record` is to be written, or deleted when it has no parts. */
export type Claim = { ok: true; record: BlockRecord; part: Cidr } | ClaimFailure;

/** All of a block that nobody owns a part of. */
export function claimWhole(record: BlockRecord, owner: Owner): Claim {
  const [first] = record.parts;
  if (first) return { ok: false, reason: 'owned', owner: first.owner };
  const top = cidrFrom(record.cidr);
  return change(record, [partFor(top, owner)], top);
}

/** Just this address, when it is free. */
export function claimAddress(record: BlockRecord, address: bigint, owner: Owner): Claim {
  const top = cidrFrom(record.cidr);
  if (address < top.first || address > lastOf(top)) return { ok: false, reason: 'outside' };
  const part = partOf(record, address);
  if (part) return { ok: false, reason: 'owned', owner: part.owner };
  const claimed = addressPart(top, address);
  return change(record, [...record.parts, partFor(claimed, owner)], claimed);
}

/** The free part with the most addresses for endpoints; with `range`, what of the range is free. */
export function claimFreePart(record: BlockRecord, pool: Pool, owner: Owner, range?: Cidr): Claim {
  const top = cidrFrom(record.cidr);
  const free = freeParts(record).map(spanOf);
  const candidates = cidrsOf(top.family, range ? within(free, spanOf(range)) : free);
  let best: { cidr: Cidr; usable: bigint } | undefined;
  for (const cidr of candidates) {
    const usable = sizeOf(usableIn(pool, cidr));
    if (usable > (best?.usable ?? 0n)) best = { cidr, usable };
  }
  if (!best) return { ok: false, reason: 'full' };
  return change(record, [...record.parts, partFor(best.cidr, owner)], best.cidr);
}

/** `cidr` goes from the node that owns all of it to another; what it keeps is the fewest CIDRs around it. */
export function carve(record: BlockRecord, { from, to, cidr }: { from: string; to: Owner; cidr: Cidr }): Claim {
  const kept = partsWithout(record, from, cidr);
  if (!kept) return { ok: false, reason: 'not-owner' };
  return change(record, [...kept, partFor(cidr, to)], cidr);
}

/** `cidr` is free again. */
export function giveBack(record: BlockRecord, node: string, cidr: Cidr): Claim {
  const kept = partsWithout(record, node, cidr);
  return kept ? change(record, kept, cidr) : { ok: false, reason: 'not-owner' };
}

/** All that the node owns in the block is free again: for a node that the cluster has forgotten. */
export function giveBackAll(record: BlockRecord, node: string): BlockRecord {
  return { ...record, parts: mergeParts(record.parts.filter((part) => part.owner !== node)) };
}

/** undefined: the node does not own all of it. */
function partsWithout(record: BlockRecord, node: string, cidr: Cidr): BlockPart[] | undefined {
  const gone = spanOf(cidr);
  const owned = ownedParts(record, node).map(spanOf);
  if (without([gone], owned).length > 0) return undefined;
  return record.parts.flatMap((part) => {
    if (part.owner !== node) return [part];
    const rest = cidrsOf(cidr.family, without([spanOf(cidrFrom(part.cidr))], [gone]));
    return rest.map((left) => ({ ...part, cidr: formatCidr(left) }));
  });
}

function change(record: BlockRecord, parts: BlockPart[], part: Cidr): Claim {
  const merged = mergeParts(parts);
  if (merged.length > MAX_PARTS) return { ok: false, reason: 'too-many-parts', limit: MAX_PARTS };
  return { ok: true, record: { ...record, parts: merged }, part };
}
