/** The connection tracking table of one namespace: read, looked up, deleted from, counted. */
import { NetlinkError } from '../errors.ts';
import { encodeHeader, NFPROTO_UNSPEC } from '../nfnetlink/header.ts';
import { NETLINK_NETFILTER, NetlinkSocket } from '../socket/socket.ts';
import type { RequestOptions, SocketOptions } from '../socket/socket.ts';
import * as cta from './constants.ts';
import { encodeFlowQuery, flowMatches } from './filter.ts';
import type { FlowFilter } from './filter.ts';
import { decodeFlow } from './flow.ts';
import type { Flow } from './flow.ts';
import { describeTuple, encodeFlowReference } from './reference.ts';
import type { FlowReference } from './reference.ts';
import { decodeCpuStatistics, decodeTableFill } from './statistics.ts';
import type { CpuStatistics, TableFill } from './statistics.ts';

const ENOENT = 2;

type Options = Omit<RequestOptions, 'op'>;

export class ConntrackSocket {
  readonly #socket: NetlinkSocket;

  private constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  /** Needs CAP_NET_ADMIN in the namespace. */
  static open(options: SocketOptions = {}): ConntrackSocket {
    return new ConntrackSocket(NetlinkSocket.open({ ...options, protocol: NETLINK_NETFILTER }));
  }

  close(): void {
    this.#socket.close();
  }

  /** No snapshot: flows that come and go while the table is walked may be missing, and one may be told twice. */
  async list(filter: FlowFilter = {}, options?: Options): Promise<Flow[]> {
    const message = { type: cta.IPCTNL_MSG_CT_GET, flags: 0, payload: encodeFlowQuery(filter) };
    const messages = await this.#socket.dump(message, { ...options, op: 'list flows' });
    return messages.map(({ payload }) => decodeFlow(payload)).filter((flow) => flowMatches(flow, filter));
  }

  /** Undefined when there is no such flow. */
  async get(reference: FlowReference, options?: Options): Promise<Flow | undefined> {
    const op = `read ${describe(reference)}`;
    const message = { type: cta.IPCTNL_MSG_CT_GET, flags: 0, payload: encodeFlowReference(reference) };
    const [answer] = (await unlessMissing(this.#socket.request(message, { ...options, op }))) ?? [];
    const flow = answer && decodeFlow(answer.payload);
    // Only a deletion compares the id in the kernel.
    return flow && (reference.id ?? flow.id) === flow.id ? flow : undefined;
  }

  /** False when there was no such flow. A flow that was read is itself a reference to it. */
  async delete(reference: FlowReference, options?: Options): Promise<boolean> {
    const op = `delete ${describe(reference)}`;
    const message = { type: cta.IPCTNL_MSG_CT_DELETE, flags: 0, payload: encodeFlowReference(reference) };
    return (await unlessMissing(this.#socket.request(message, { ...options, op }))) !== undefined;
  }

  /** By its id alone, for which the table has to be read: the kernel finds flows by their tuples only. */
  async deleteById(id: number, filter: FlowFilter = {}, options?: Options): Promise<boolean> {
    const found = (await this.list(filter, options)).find((flow) => flow.id === id);
    return found !== undefined && (await this.delete(found, options));
  }

  /**
   * Every flow of the filter that is there when the table is read, one by one: how many went. The kernel's own flush is
   * not used, which in those before 6.8 does not know zones and empties the whole table.
   */
  async deleteAll(filter: FlowFilter, options?: Options): Promise<number> {
    const flows = await this.list(filter, options);
    const gone = await Promise.all(flows.map((flow) => this.delete(flow, options)));
    return gone.filter(Boolean).length;
  }

  async fill(options?: Options): Promise<TableFill> {
    const payload = encodeHeader({ family: NFPROTO_UNSPEC, resource: 0 });
    const message = { type: cta.IPCTNL_MSG_CT_GET_STATS, flags: 0, payload };
    const [answer] = await this.#socket.request(message, { ...options, op: 'read conntrack statistics' });
    return decodeTableFill(answer?.payload ?? Buffer.alloc(0));
  }

  /** One for each possible processor. */
  async cpuStatistics(options?: Options): Promise<CpuStatistics[]> {
    const payload = encodeHeader({ family: NFPROTO_UNSPEC, resource: 0 });
    const message = { type: cta.IPCTNL_MSG_CT_GET_STATS_CPU, flags: 0, payload };
    const messages = await this.#socket.dump(message, { ...options, op: 'read conntrack statistics' });
    return messages.map((answer) => decodeCpuStatistics(answer.payload));
  }
}

function describe(reference: FlowReference): string {
  return describeTuple('original' in reference ? reference.original : reference.reply);
}

async function unlessMissing<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof NetlinkError && error.errno === ENOENT) return undefined;
    throw error;
  }
}
