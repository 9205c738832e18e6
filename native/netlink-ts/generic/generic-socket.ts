/** Generic netlink in one namespace: families by name, requests of any of them. */
import { NetlinkError } from '../errors.ts';
import { NETLINK_GENERIC, NetlinkSocket } from '../socket/socket.ts';
import type { RequestOptions, SocketOptions } from '../socket/socket.ts';
import { unlessAborted } from '../socket/window.ts';
import type { NetlinkMessage, Outgoing } from '../wire/message.ts';
import { decodeFamily, encodeFamilyQuery, GENL_ID_CTRL } from './control.ts';
import type { GenericFamily } from './control.ts';
import { decodeGeneric, encodeGeneric } from './header.ts';
import type { GenericMessage } from './header.ts';

const ENOENT = 2;

export interface GenericRequest {
  /** its name: "wireguard" */
  family: string;
  command: number;
  /** of the family's messages; the one that the kernel has, when left out */
  version?: number;
  /** NLM_F_* beyond those that every request has */
  flags?: number;
  payload: Buffer;
}

export class GenericSocket {
  readonly #socket: NetlinkSocket;
  /** What was resolved, and what is being resolved: those who ask at once share one answer. */
  readonly #families = new Map<string, Promise<GenericFamily>>();

  private constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  static open(options: SocketOptions = {}): GenericSocket {
    return new GenericSocket(NetlinkSocket.open({ ...options, protocol: NETLINK_GENERIC }));
  }

  close(): void {
    this.#socket.close();
  }

  /** All that this namespace may use: those made for the first one only are not told of elsewhere. */
  async families(options?: Omit<RequestOptions, 'op'>): Promise<GenericFamily[]> {
    const message = { type: GENL_ID_CTRL, flags: 0, payload: encodeFamilyQuery() };
    const messages = await this.#socket.dump(message, { ...options, op: 'list generic families' });
    return messages.map(({ payload }) => decodeFamily(payload));
  }

  /** Asks the kernel once. ENOENT when there is no such family: its module may have to be loaded by somebody. */
  async family(name: string, options?: Omit<RequestOptions, 'op'>): Promise<GenericFamily> {
    let family = this.#families.get(name);
    if (!family) {
      // Without the caller's signal: others may wait for the same answer.
      family = this.#resolve(name);
      this.#families.set(name, family);
      family.catch(() => this.#families.delete(name));
    }
    return await unlessAborted(family, options?.signal);
  }

  /** The messages that answered. */
  async request(request: GenericRequest, options?: RequestOptions): Promise<GenericMessage[]> {
    return await this.#exchange(request, options, (message, all) => this.#socket.request(message, all));
  }

  async dump(request: GenericRequest, options?: RequestOptions): Promise<GenericMessage[]> {
    return await this.#exchange(request, options, (message, all) => this.#socket.dump(message, all));
  }

  async #resolve(name: string): Promise<GenericFamily> {
    const message = { type: GENL_ID_CTRL, flags: 0, payload: encodeFamilyQuery({ name }) };
    const op = `find generic family ${name}`;
    const [answer] = await this.#socket.request(message, { op });
    if (!answer) throw new NetlinkError({ op, errno: ENOENT, kernelMessage: '' });
    return decodeFamily(answer.payload);
  }

  async #exchange(
    { family: name, command, version, flags = 0, payload }: GenericRequest,
    options: RequestOptions | undefined,
    send: (message: Outgoing, options: RequestOptions) => Promise<NetlinkMessage[]>,
  ): Promise<GenericMessage[]> {
    const family = await this.family(name, options);
    const body = encodeGeneric({ command, version: version ?? family.version, payload });
    try {
      const answers = await send({ type: family.id, flags, payload: body }, { op: `${name} ${command}`, ...options });
      return answers.map((answer) => decodeGeneric(answer.payload));
    } catch (error) {
      // The family's own refusal, or its number is of a module that is gone: the next call looks it up again.
      if (error instanceof NetlinkError && error.errno === ENOENT) this.#families.delete(name);
      throw error;
    }
  }
}
