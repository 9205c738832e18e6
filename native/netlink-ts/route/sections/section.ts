/** What the sections of a route socket share: one kind of object each. */
import type { NetlinkSocket, RequestOptions } from '../../socket/socket.ts';
import { NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE } from '../../wire/message.ts';

/** Fails with EEXIST when it is there. */
export const CREATE = NLM_F_CREATE | NLM_F_EXCL;
export const REPLACE = NLM_F_CREATE | NLM_F_REPLACE;

export type Options = Omit<RequestOptions, 'op'>;

export class Section {
  protected readonly socket: NetlinkSocket;

  constructor(socket: NetlinkSocket) {
    this.socket = socket;
  }

  protected async send(what: { op: string; type: number; flags?: number; payload: Buffer }, options?: Options) {
    const message = { type: what.type, flags: what.flags ?? 0, payload: what.payload };
    return await this.socket.request(message, { ...options, op: what.op });
  }

  protected async read<T>(
    what: { op: string; type: number; payload: Buffer; decode: (payload: Buffer) => T | undefined },
    options?: Options,
  ): Promise<T[]> {
    const message = { type: what.type, flags: 0, payload: what.payload };
    const messages = await this.socket.dump(message, { ...options, op: what.op });
    return messages.flatMap(({ payload }) => what.decode(payload) ?? []);
  }
}
