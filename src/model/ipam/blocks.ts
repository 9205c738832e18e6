/**
 * Who owns which part of a block. One record stands for each top block that somebody owns a part of, so that every claim,
 * split and return of space in it is one compare-and-swap of one key. What no part covers is free; a block without a
 * record is free altogether.
 */
import { cidrOf, contains, formatCidr, parseCidr } from '../address/cidr.ts';
import type { Cidr } from '../address/cidr.ts';
import { cidrsOf, spanOf, without } from './spans.ts';

/** `blocks/<network>/<cidr>` */
export interface BlockRecord {
  /** id */
  network: string;
  /** the top block */
  cidr: string;
  /** disjoint, in order of their addresses */
  parts: BlockPart[];
}

export interface BlockPart {
  cidr: string;
  /** id of the node */
  owner: string;
  /** of that node when it got the part */
  epoch: number;
}

export interface Owner {
  node: string;
  epoch: number;
}

/** The record of a block that nobody owns a part of; it is never stored. */
export function freeBlock(network: string, top: Cidr): BlockRecord {
  return { network, cidr: formatCidr(top), parts: [] };
}

/** The part that the address lies in; undefined: it is free, or not in this block. */
export function partOf(record: BlockRecord, address: bigint): BlockPart | undefined {
  return record.parts.find((part) => {
    const cidr = cidrFrom(part.cidr);
    return contains(cidr, { family: cidr.family, value: address });
  });
}

export function ownedParts(record: BlockRecord, node: string): Cidr[] {
  return record.parts.filter((part) => part.owner === node).map((part) => cidrFrom(part.cidr));
}

/** The fewest CIDRs that nobody owns. */
export function freeParts(record: BlockRecord): Cidr[] {
  const top = cidrFrom(record.cidr);
  const owned = record.parts.map((part) => spanOf(cidrFrom(part.cidr)));
  return cidrsOf(top.family, without([spanOf(top)], owned));
}

/** The fewest parts that say the same: what one owner has from one epoch is joined where it touches. */
export function mergeParts(parts: readonly BlockPart[]): BlockPart[] {
  const alike = new Map<string, { said: Omit<BlockPart, 'cidr'>; cidrs: Cidr[] }>();
  for (const { cidr, ...said } of parts) {
    const { owner, epoch, ...unknown } = said;
    const key = `${epoch} ${owner} ${JSON.stringify(unknown)}`;
    const own = alike.get(key) ?? { said, cidrs: [] };
    own.cidrs.push(cidrFrom(cidr));
    alike.set(key, own);
  }
  const merged = [...alike.values()].flatMap(({ said, cidrs }) =>
    cidrsOf(cidrs[0]?.family ?? 4, cidrs.map(spanOf)).map((cidr) => ({ cidr, said })),
  );
  return merged
    .sort((a, b) => (a.cidr.first < b.cidr.first ? -1 : 1))
    .map(({ cidr, said }) => ({ cidr: formatCidr(cidr), ...said }));
}

export function partFor(cidr: Cidr, owner: Owner): BlockPart {
  return { cidr: formatCidr(cidr), owner: owner.node, epoch: owner.epoch };
}

/** One address as a part: "10.1.2.3/32". */
export function addressPart(top: Cidr, address: bigint): Cidr {
  return cidrOf({ family: top.family, value: address }, top.family === 4 ? 32 : 128);
}

/** Of text that this folder wrote; anything else is a damaged record. */
export function cidrFrom(text: string): Cidr {
  const cidr = parseCidr(text);
  if (!cidr) throw new TypeError(`not a block: ${text}`);
  return cidr;
}
