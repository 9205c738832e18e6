/** From what is wanted and what was found to ordered operations. Pure; the order of the inputs does not matter. */
import { differences, isLink, keyOf, mustReplace } from './objects.ts';
import type { KernelObject, Observed } from './objects.ts';

export type Operation =
  | { type: 'create'; object: KernelObject }
  | { type: 'update'; object: KernelObject; fields: string[] }
  | { type: 'delete'; object: KernelObject };

/** Built in this order, taken down in the reverse: whatever stands on something comes after it. */
const PHASE: Record<KernelObject['kind'], number> = {
  sysctl: 0,
  bridge: 1,
  uplink: 2,
  relay: 3,
  address: 4,
  route: 5,
  vxlan: 6,
  port: 7,
  fdb: 8,
  neighbour: 9,
  rule: 10,
};

export function diff(wanted: readonly KernelObject[], observed: Observed): Operation[] {
  const desired = new Map(wanted.map((object) => [keyOf(object), object]));
  const found = new Map(observed.objects.map((object) => [keyOf(object), object]));
  const deletions: Operation[] = [];
  const builds: Operation[] = [];
  const gone = new Set<string>();

  const remove = (key: string, object: KernelObject) => {
    // The kernel's own settings cannot be deleted; what nobody wants any more keeps its value.
    if (object.kind !== 'sysctl') deletions.push({ type: 'delete', object });
    if (isLink(object)) gone.add(object.name);
    found.delete(key);
  };
  for (const [key, object] of found) {
    const want = desired.get(key);
    if (!want || mustReplace(want, differences(want, object))) remove(key, object);
  }
  for (const [key, want] of desired) {
    const object = found.get(key);
    // Entries go with their link, and the link's return does not bring them back.
    if (!object || gone.has(linkOf(object))) builds.push({ type: 'create', object: want });
    else {
      const fields = differences(want, object);
      if (fields.length > 0) builds.push({ type: 'update', object: want, fields });
    }
  }
  return [
    ...sorted(
      deletions.filter(({ object }) => !gone.has(linkOf(object))),
      -1,
    ),
    ...sorted(builds, 1),
  ];
}

/** The link that an entry stands on; '' for what stands alone. */
function linkOf(object: KernelObject): string {
  return 'link' in object ? object.link : '';
}

function sorted(operations: Operation[], direction: 1 | -1): Operation[] {
  const rank = ({ object }: Operation) => PHASE[object.kind] * direction;
  const name = ({ object }: Operation) => keyOf(object);
  return operations.sort((a, b) => rank(a) - rank(b) || (name(a) < name(b) ? -1 : 1));
}
