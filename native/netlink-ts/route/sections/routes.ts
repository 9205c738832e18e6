/** Routes: see ../route.ts. */
import * as rtm from '../constants.ts';
import { decodeRoute, encodeRoute, encodeRouteQuery } from '../route.ts';
import type { Route, RouteSpec } from '../route.ts';
import { CREATE, REPLACE, Section } from './section.ts';
import type { Options } from './section.ts';

export class Routes extends Section {
  list(filter: { family?: 4 | 6; table?: number; oif?: number } = {}, options?: Options): Promise<Route[]> {
    const payload = encodeRouteQuery(filter);
    return this.read({ op: 'list routes', type: rtm.RTM_GETROUTE, payload, decode: decodeRoute }, options);
  }

  async add(spec: RouteSpec, options?: Options): Promise<void> {
    const op = `add route ${spec.destination}`;
    await this.send({ op, type: rtm.RTM_NEWROUTE, flags: CREATE, payload: encodeRoute(spec) }, options);
  }

  async replace(spec: RouteSpec, options?: Options): Promise<void> {
    const op = `replace route ${spec.destination}`;
    await this.send({ op, type: rtm.RTM_NEWROUTE, flags: REPLACE, payload: encodeRoute(spec) }, options);
  }

  async delete(spec: RouteSpec, options?: Options): Promise<void> {
    const op = `delete route ${spec.destination}`;
    await this.send({ op, type: rtm.RTM_DELROUTE, payload: encodeRoute(spec) }, options);
  }
}
