/** Queueing disciplines: see ../traffic/qdisc.ts. */
import * as rtm from '../constants.ts';
import { decodeQdisc, encodeQdisc, encodeQdiscQuery, encodeQdiscReference } from '../traffic/qdisc.ts';
import type { Qdisc, QdiscReference, QdiscSpec } from '../traffic/qdisc.ts';
import { CREATE, REPLACE, Section } from './section.ts';
import type { Options } from './section.ts';

export class Qdiscs extends Section {
  /** The kernel dumps those of every link; those of one are picked here. */
  async list(filter: { index?: number } = {}, options?: Options): Promise<Qdisc[]> {
    const payload = encodeQdiscQuery();
    const all = await this.read({ op: 'list qdiscs', type: rtm.RTM_GETQDISC, payload, decode: decodeQdisc }, options);
    return all.filter(({ index }) => filter.index === undefined || filter.index === index);
  }

  /** EEXIST when something hangs at its parent already; a link's own first qdisc does not count. */
  async add(spec: QdiscSpec, options?: Options): Promise<void> {
    const op = `add qdisc ${spec.kind} to link ${spec.index}`;
    await this.send({ op, type: rtm.RTM_NEWQDISC, flags: CREATE, payload: encodeQdisc(spec) }, options);
  }

  /** What is there with the same kind and handle is changed and keeps its packets. */
  async replace(spec: QdiscSpec, options?: Options): Promise<void> {
    const op = `replace qdisc ${spec.kind} of link ${spec.index}`;
    await this.send({ op, type: rtm.RTM_NEWQDISC, flags: REPLACE, payload: encodeQdisc(spec) }, options);
  }

  /** Its filters go with it. */
  async delete(reference: QdiscReference, options?: Options): Promise<void> {
    const op = `delete qdisc of link ${reference.index}`;
    await this.send({ op, type: rtm.RTM_DELQDISC, payload: encodeQdiscReference(reference) }, options);
  }
}
