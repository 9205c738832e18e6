/** Neighbours: see ../neighbour.ts. */
import * as rtm from '../constants.ts';
import { decodeNeighbour, encodeNeighbour, encodeNeighbourKey, encodeNeighbourQuery } from '../neighbour.ts';
import type { Neighbour, NeighbourSpec } from '../neighbour.ts';
import { CREATE, REPLACE, Section } from './section.ts';
import type { Options } from './section.ts';

export class Neighbours extends Section {
  list(filter: { index?: number; family?: 4 | 6 } = {}, options?: Options): Promise<Neighbour[]> {
    const payload = encodeNeighbourQuery(filter);
    return this.read({ op: 'list neighbours', type: rtm.RTM_GETNEIGH, payload, decode: decodeNeighbour }, options);
  }

  async add(spec: NeighbourSpec, options?: Options): Promise<void> {
    const op = `add neighbour ${spec.address}`;
    await this.send({ op, type: rtm.RTM_NEWNEIGH, flags: CREATE, payload: encodeNeighbour(spec) }, options);
  }

  async replace(spec: NeighbourSpec, options?: Options): Promise<void> {
    const op = `replace neighbour ${spec.address}`;
    await this.send({ op, type: rtm.RTM_NEWNEIGH, flags: REPLACE, payload: encodeNeighbour(spec) }, options);
  }

  async delete(key: { index: number; address: string }, options?: Options): Promise<void> {
    const op = `delete neighbour ${key.address}`;
    await this.send({ op, type: rtm.RTM_DELNEIGH, payload: encodeNeighbourKey(key) }, options);
  }
}
