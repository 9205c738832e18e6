/** From the elements that the kernel answers to those of the model. */
import { isDeepStrictEqual } from 'node:util';
import { withoutValues, type Expression } from './expression.ts';
import { isCut, joinIntervals, type WireElement } from './interval.ts';
import { sortElements, type Set, type SetElement } from './model.ts';

/**
 * Sorted, with intervals of one field joined, and without what the set says already. `live` keeps what changes by itself:
 * the values of counters and quotas, and the time that is left.
 */
export function modelElements(set: Set, wire: readonly WireElement[], live: boolean): SetElement[] {
  const elements = isCut(set) ? joinIntervals(wire, set) : sortElements(wire.map(plainKey));
  return live ? elements : elements.map((element) => atRest(element, set.expressions));
}

/** In a concatenation with ranges a single key is answered as a range of one. */
function plainKey(element: WireElement): WireElement {
  const { keyEnd, ...rest } = element;
  return keyEnd === element.key ? rest : element;
}

function atRest(element: SetElement, setExpressions: readonly Expression[] | undefined): SetElement {
  const { expressions, ...rest } = element;
  delete rest.expires;
  const own = expressions?.map(withoutValues);
  return own && !isDeepStrictEqual(own, setExpressions) ? { ...rest, expressions: own } : rest;
}
