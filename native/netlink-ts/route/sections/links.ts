/** Links: see ../link.ts. */
import { NetlinkError } from '../../errors.ts';
import * as rtm from '../constants.ts';
import {
  decodeCountedLink,
  decodeLink,
  encodeLinkChange,
  encodeLinkCreate,
  encodeLinkQuery,
  encodeLinkReference,
} from '../link.ts';
import type { Link, LinkChange, LinkSpec } from '../link.ts';
import { CREATE, Section } from './section.ts';
import type { Options } from './section.ts';

const ENODEV = 19;

export interface LinkFilter {
  master?: number;
  kind?: string;
  group?: number;
  /** read `statistics` too */
  statistics?: boolean;
}

export class Links extends Section {
  /** The kernel picks by master and kind; by group it does not, so that is done here. */
  async list(filter: LinkFilter = {}, options?: Options): Promise<Link[]> {
    const { group, statistics, ...query } = filter;
    const payload = encodeLinkQuery(query);
    const decode = statistics ? decodeCountedLink : decodeLink;
    const links = await this.read({ op: 'list links', type: rtm.RTM_GETLINK, payload, decode }, options);
    return group === undefined ? links : links.filter((link) => link.group === group);
  }

  /** Undefined when there is no such link. */
  async get(ref: { index: number } | { name: string }, options?: Options): Promise<Link | undefined> {
    const op = `read link ${'name' in ref ? ref.name : ref.index}`;
    try {
      const [answer] = await this.send({ op, type: rtm.RTM_GETLINK, payload: encodeLinkQuery(ref) }, options);
      return answer && decodeLink(answer.payload);
    } catch (error) {
      if (error instanceof NetlinkError && error.errno === ENODEV) return undefined;
      throw error;
    }
  }

  /** EEXIST when the name is taken. */
  async create(spec: LinkSpec, options?: Options): Promise<void> {
    const op = `create ${spec.kind} ${spec.name}`;
    await this.send({ op, type: rtm.RTM_NEWLINK, flags: CREATE, payload: encodeLinkCreate(spec) }, options);
  }

  /** Joins a bridge first, then sets what the port is to do, then up: the kernel takes them in this order only. */
  async set(change: LinkChange, options?: Options): Promise<void> {
    const op = `change link ${change.name ?? change.index}`;
    const { bridgePort, up, ...rest } = change;
    const steps: LinkChange[] =
      bridgePort && change.master !== undefined
        ? [rest, { index: change.index, bridgePort, ...(up === undefined ? {} : { up }) }]
        : [change];
    for (const step of steps) {
      await this.send({ op, type: rtm.RTM_NEWLINK, payload: encodeLinkChange(step) }, options);
    }
  }

  /** A veth's peer goes with it. About 20 ms for one, 0.5 ms each by group (kernel 6.18). */
  async delete(ref: { index: number } | { name: string } | { group: number }, options?: Options): Promise<void> {
    const what = 'name' in ref ? ref.name : 'group' in ref ? `group ${ref.group}` : ref.index;
    await this.send({ op: `delete link ${what}`, type: rtm.RTM_DELLINK, payload: encodeLinkReference(ref) }, options);
  }
}
