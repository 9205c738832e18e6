/** Forwarding entries: see ../neighbour.ts. */
import * as rtm from '../constants.ts';
import { decodeFdb, encodeFdb, encodeFdbQuery } from '../neighbour.ts';
import type { FdbEntry, FdbSpec } from '../neighbour.ts';
import { CREATE, REPLACE, Section } from './section.ts';
import type { Options } from './section.ts';

export class Fdb extends Section {
  list(filter: { bridge?: number; index?: number } = {}, options?: Options): Promise<FdbEntry[]> {
    const payload = encodeFdbQuery(filter);
    return this.read({ op: 'list forwarding entries', type: rtm.RTM_GETNEIGH, payload, decode: decodeFdb }, options);
  }

  async add(spec: FdbSpec, options?: Options): Promise<void> {
    const op = `add forwarding entry ${spec.mac}`;
    await this.send({ op, type: rtm.RTM_NEWNEIGH, flags: CREATE, payload: encodeFdb(spec) }, options);
  }

  async replace(spec: FdbSpec, options?: Options): Promise<void> {
    const op = `replace forwarding entry ${spec.mac}`;
    await this.send({ op, type: rtm.RTM_NEWNEIGH, flags: REPLACE, payload: encodeFdb(spec) }, options);
  }

  async delete(spec: FdbSpec, options?: Options): Promise<void> {
    const op = `delete forwarding entry ${spec.mac}`;
    await this.send({ op, type: rtm.RTM_DELNEIGH, payload: encodeFdb(spec) }, options);
  }
}
