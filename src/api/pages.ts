/**
 * Long lists in pages. Objects are ordered by scope, name and id; a token says after which one the next page begins, so
 * that what is made or deleted meanwhile neither repeats nor hides others.
 */
import { z } from 'zod';
import { WeftError } from '../model/errors.ts';

export interface PageRequest {
  pageSize?: number;
  pageToken?: string;
}

interface Listed {
  id: string;
  name: string;
  tenant?: string;
}

/** An endpoint is a kilobyte or two with its labels: a page stays well below the limit of a message. */
const LARGEST_PAGE = 1_000;

const cursor = z.tuple([z.string(), z.string(), z.string()]);

/** `objects` in order. Throws `invalid-argument` for a token that is none. */
export function page<T extends Listed>(
  objects: T[],
  { pageSize = 0, pageToken = '' }: PageRequest,
): { items: T[]; nextPageToken: string } {
  const after = pageToken === '' ? undefined : parseToken(pageToken);
  const start = after ? objects.findIndex((object) => compare(placeOf(object), after) > 0) : 0;
  const rest = start < 0 ? [] : objects.slice(start);
  const size = pageSize === 0 ? LARGEST_PAGE : Math.min(pageSize, LARGEST_PAGE);
  const items = rest.slice(0, size);
  const last = items.at(-1);
  return { items, nextPageToken: last && rest.length > size ? toToken(placeOf(last)) : '' };
}

type Place = z.infer<typeof cursor>;

function placeOf({ tenant = '', name, id }: Listed): Place {
  return [tenant, name, id];
}

function compare(a: Place, b: Place): number {
  for (const i of [0, 1, 2] as const) if (a[i] !== b[i]) return a[i] < b[i] ? -1 : 1;
  return 0;
}

function toToken(place: Place): string {
  return Buffer.from(JSON.stringify(place)).toString('base64url');
}

function parseToken(token: string): Place {
  try {
    return cursor.parse(JSON.parse(Buffer.from(token, 'base64url').toString('utf8')));
  } catch {
    throw new WeftError('invalid-argument', 'pageToken: is not one that weftd gave', { object: 'pageToken' });
  }
}
