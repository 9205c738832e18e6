/**
 * Interval sets of one field as the kernel keeps them (nft_set_rbtree): where an interval begins, and the first key behind
 * it, flagged as an end. The model has ranges with both ends included. An interval up to the highest key has no end, which
 * nft wants to be told; an end at zero, which nft adds, says nothing.
 */
import { sortElements, type SetElement, type SetShape } from './model.ts';
import { keyLength } from './key.ts';

/** An element as it is on the wire. */
export interface WireElement extends SetElement {
  intervalEnd?: true;
  /** reaches up to the highest key */
  open?: true;
}

/** Concatenations with ranges have both ends in one element: only single fields are cut. */
export function isCut({ key, flags }: Pick<SetShape, 'key' | 'flags'>): boolean {
  return flags.includes('interval') && key.length === 1;
}

/**
 * The elements as they go on the wire. In a concatenation with ranges a single key is a range of one: the kernel could do
 * without its end, nft lists nonsense then.
 */
export function wireElements(shape: Pick<SetShape, 'key' | 'flags'>, elements: readonly SetElement[]): WireElement[] {
  if (!shape.flags.includes('interval')) return [...elements];
  if (isCut(shape)) return cutIntervals(elements);
  return elements.map((element) =>
    element.catchAll ? element : { ...element, keyEnd: element.keyEnd ?? element.key },
  );
}

export function cutIntervals(elements: readonly SetElement[]): WireElement[] {
  return elements.flatMap((element): WireElement[] => {
    if (element.catchAll) return [element];
    const { keyEnd = element.key, ...start } = element;
    const behind = shift(keyEnd, 1n);
    return behind === undefined ? [{ ...start, open: true }] : [start, { key: behind, intervalEnd: true }];
  });
}

/** The intervals again, in the order of their keys. */
export function joinIntervals(elements: readonly WireElement[], { key }: Pick<SetShape, 'key'>): SetElement[] {
  const highest = 'ff'.repeat(keyLength(key));
  const joined: SetElement[] = [];
  let behind: string | undefined;
  let last: string | undefined;
  for (const mark of sortElements(elements).toReversed()) {
    const { intervalEnd, ...element } = mark;
    delete element.open;
    if (element.catchAll) {
      joined.push(element);
      continue;
    }
    // an interval may end where the next begins: both marks have the same key then
    if (element.key !== last) behind = last;
    last = element.key;
    if (intervalEnd) continue;
    const keyEnd = behind === undefined ? highest : (shift(behind, -1n) ?? element.key);
    joined.push(keyEnd === element.key ? element : { ...element, keyEnd });
  }
  return joined.toReversed();
}

/** Undefined where the key would leave its length. */
function shift(key: string, by: bigint): string | undefined {
  if (key === '') return undefined;
  const shifted = BigInt(`0x${key}`) + by;
  if (shifted < 0n) return undefined;
  const hex = shifted.toString(16).padStart(key.length, '0');
  return hex.length > key.length ? undefined : hex;
}
