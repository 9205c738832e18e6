/** Filters: see ../traffic/filter.ts. */
import * as rtm from '../constants.ts';
import { decodeFilter, encodeFilter, encodeFilterQuery, encodeFilterReference } from '../traffic/filter.ts';
import type { Filter, FilterParent, FilterReference, FilterSpec } from '../traffic/filter.ts';
import { CREATE, REPLACE, Section } from './section.ts';
import type { Options } from './section.ts';

export class Filters extends Section {
  /** In the order in which packets meet them. */
  list(at: { index: number; parent: FilterParent }, options?: Options): Promise<Filter[]> {
    const payload = encodeFilterQuery(at);
    const op = `list filters of link ${at.index}`;
    return this.read({ op, type: rtm.RTM_GETTFILTER, payload, decode: filterOnly }, options);
  }

  /** EEXIST when its handle is taken. */
  async add(spec: FilterSpec, options?: Options): Promise<void> {
    const op = `add filter ${named(spec)}`;
    await this.send({ op, type: rtm.RTM_NEWTFILTER, flags: CREATE, payload: encodeFilter(spec) }, options);
  }

  /** In one step, when priority, kind and handle are those of what is there: no packet passes unfiltered. */
  async replace(spec: FilterSpec, options?: Options): Promise<void> {
    const op = `replace filter ${named(spec)}`;
    await this.send({ op, type: rtm.RTM_NEWTFILTER, flags: REPLACE, payload: encodeFilter(spec) }, options);
  }

  /** All of a priority, unless a handle names one. */
  async delete(reference: FilterReference, options?: Options): Promise<void> {
    const op = `delete filter ${named(reference)}`;
    await this.send({ op, type: rtm.RTM_DELTFILTER, payload: encodeFilterReference(reference) }, options);
  }
}

/** Without the heads of priorities, which have no handle and match nothing. */
function filterOnly(payload: Buffer): Filter | undefined {
  const filter = decodeFilter(payload);
  return filter.handle === 0 ? undefined : filter;
}

function named({ kind, priority, parent, index }: FilterReference): string {
  return `${kind ?? ''} ${priority} at ${parent} of link ${index}`.trimStart();
}
