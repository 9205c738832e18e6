/** rtnetlink in one namespace: links, addresses, routes, neighbours and the rest, each as plain objects. */
import { NETLINK_ROUTE, NetlinkSocket } from '../socket/socket.ts';
import type { SocketOptions } from '../socket/socket.ts';
import { Addresses } from './sections/addresses.ts';
import { Fdb } from './sections/fdb.ts';
import { Filters } from './sections/filters.ts';
import { Links } from './sections/links.ts';
import { Neighbours } from './sections/neighbours.ts';
import { Qdiscs } from './sections/qdiscs.ts';
import { Routes } from './sections/routes.ts';
import { Rules } from './sections/rules.ts';
import { Statistics } from './sections/statistics.ts';

export class RouteSocket {
  readonly #socket: NetlinkSocket;
  readonly links: Links;
  readonly addresses: Addresses;
  readonly routes: Routes;
  readonly rules: Rules;
  readonly neighbours: Neighbours;
  readonly fdb: Fdb;
  readonly qdiscs: Qdiscs;
  readonly filters: Filters;
  readonly statistics: Statistics;

  private constructor(socket: NetlinkSocket) {
    this.#socket = socket;
    this.links = new Links(socket);
    this.addresses = new Addresses(socket);
    this.routes = new Routes(socket);
    this.rules = new Rules(socket);
    this.neighbours = new Neighbours(socket);
    this.fdb = new Fdb(socket);
    this.qdiscs = new Qdiscs(socket);
    this.filters = new Filters(socket);
    this.statistics = new Statistics(socket);
  }

  static open(options: SocketOptions = {}): RouteSocket {
    return new RouteSocket(NetlinkSocket.open({ ...options, protocol: NETLINK_ROUTE }));
  }

  close(): void {
    this.#socket.close();
  }
}
