/**
 * nftables of one network namespace. Every change is one batch, so a ruleset is never half there; every read is checked
 * against the generation of the ruleset before and after, so it is never of two rulesets.
 */
import { constants } from 'node:os';
import { NetlinkError } from '../errors.ts';
import { NetlinkSocket, type SocketOptions } from '../socket/socket.ts';
import { AttributeReader } from '../wire/attributes.ts';
import {
  batchOf,
  changeElementsMessages,
  changeMessages,
  replaceTableMessages,
  type Change,
  type ElementChange,
} from './batch.ts';
import { decodeChain, getChains } from './messages/chain.ts';
import { decodeElements, getElements, type SetName } from './messages/element.ts';
import { NETLINK_NETFILTER, NFT_MSG, nftMessage, type NftMessage } from './messages/header.ts';
import { decodeRule, getRules, withoutCounters, type RuleInfo } from './messages/rule.ts';
import { decodeSet, getSets } from './messages/set.ts';
import { decodeTable, deleteTable, getTables, type TableInfo, type TableName } from './messages/table.ts';
import type { Rule, Set, SetElement, Table } from './model.ts';
import { modelElements } from './set-elements.ts';
import { staleOr } from './stale.ts';

const NFTA_GEN_ID = 1;
const NFGENMSG_LENGTH = 4;
/** how often a read begins anew because others changed the ruleset under it */
const READ_ATTEMPTS = 5;

export interface CallOptions {
  signal?: AbortSignal;
  /** milliseconds for each request to the kernel */
  deadline?: number;
}

export interface ChangeOptions extends CallOptions {
  /**
   * The generation of the ruleset that the change was made for (NftSocket.generation): when it is another by now, nothing
   * is changed and the call rejects with StaleGenerationError. With it, others' changes are never written over unseen.
   */
  generation?: number;
}

export interface ReadOptions extends CallOptions {
  /**
   * with what differs from read to read: the values of counters and quotas, the time that elements have left, and the
   * elements that rules added to sets with the flag `dynamic`
   */
  counters?: boolean;
}

/** A rule where it stands. */
export interface PlacedRule {
  chain: string;
  /** names it in its table as long as it lives */
  handle: bigint;
  rule: Rule;
}

export class NftSocket {
  readonly #socket: NetlinkSocket;

  private constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  /** In the namespace of the path or file descriptor `netns`, else in the caller's. Needs CAP_NET_ADMIN there. */
  static open(options: SocketOptions = {}): NftSocket {
    return new NftSocket(NetlinkSocket.open({ ...options, protocol: NETLINK_NETFILTER }));
  }

  close(): void {
    this.#socket.close();
  }

  /** Puts the table in place of whatever has its name, all at once. Counters begin at zero. */
  async replaceTable(table: Table, options?: ChangeOptions): Promise<void> {
    await this.#commit(replaceTableMessages(table), options);
  }

  /** A table that is not there is a success. */
  async deleteTable(table: TableName, options?: ChangeOptions): Promise<void> {
    try {
      await this.#commit([deleteTable(table)], options);
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }

  /** All changes in their order, or none. An error's `index` counts messages, not changes. */
  async change(table: TableName, changes: readonly Change[], options?: ChangeOptions): Promise<void> {
    const messages = changeMessages(table, changes);
    if (messages.length > 0) await this.#commit(messages, options);
  }

  /** An element that is there already is a success. */
  async addElements(
    table: TableName,
    set: SetName,
    elements: readonly SetElement[],
    options?: ChangeOptions,
  ): Promise<void> {
    await this.changeElements(table, [{ set, add: elements, delete: [] }], options);
  }

  /** ENOENT, and nothing deleted, when an element is not there. */
  async deleteElements(
    table: TableName,
    set: SetName,
    elements: readonly SetElement[],
    options?: ChangeOptions,
  ): Promise<void> {
    await this.changeElements(table, [{ set, add: [], delete: elements }], options);
  }

  /** All changes of all sets, or none. */
  async changeElements(table: TableName, changes: readonly ElementChange[], options?: ChangeOptions): Promise<void> {
    const messages = changeElementsMessages(table, changes);
    if (messages.length > 0) await this.#commit(messages, options);
  }

  async listTables(options?: CallOptions): Promise<TableInfo[]> {
    const answers = await this.#socket.dump(getTables(), options);
    return answers.map(({ payload }) => decodeTable(payload)).filter((table) => table !== undefined);
  }

  /** Rules with their handles, chain by chain in their order; none of a table that is not there. */
  async readRules(name: TableName, options: ReadOptions = {}): Promise<PlacedRule[]> {
    const rules = await this.#dumpRules(name, options);
    return rules.map(({ chain, handle, rule }) => ({ chain, handle, rule }));
  }

  /** The whole table as one picture; undefined when there is none. */
  async readTable(name: TableName, options: ReadOptions = {}): Promise<Table | undefined> {
    for (let attempt = 1; ; attempt++) {
      const before = await this.generation(options);
      const table = await this.#readOnce(name, options);
      if (table !== 'changed' && (await this.generation(options)) === before) return table;
      if (attempt === READ_ATTEMPTS) throw changedAgainAndAgain(name);
    }
  }

  /** Number of the ruleset: grows with every batch that the kernel took in this namespace, ours or another's. */
  async generation(options?: CallOptions): Promise<number> {
    const answers = await this.#socket.request(nftMessage(NFT_MSG.getGeneration, 0, 'any'), options);
    const payload = answers.find(({ type }) => type === NFT_MSG.newGeneration)?.payload;
    const attributes = new AttributeReader((payload ?? Buffer.alloc(0)).subarray(NFGENMSG_LENGTH));
    let generation = 0;
    while (attributes.next()) {
      if (attributes.type === NFTA_GEN_ID) generation = attributes.be32();
    }
    attributes.check();
    return generation;
  }

  async #readOnce(name: TableName, options: ReadOptions): Promise<Table | undefined | 'changed'> {
    const tables = await this.listTables(options);
    if (!tables.some((table) => sameName(table, name))) return undefined;
    try {
      return {
        family: name.family,
        name: name.name,
        chains: await this.#readChains(name, options),
        sets: await this.#readSets(name, options),
      };
    } catch (error) {
      // the table, or one of its sets, went while it was read
      if (isMissing(error)) return 'changed';
      throw error;
    }
  }

  async #readChains(name: TableName, options: ReadOptions): Promise<Table['chains']> {
    const chains = (await this.#socket.dump(getChains(name), options))
      .map(({ payload }) => decodeChain(payload))
      .filter(({ family, table }) => sameName({ family, name: table }, name))
      .map(({ chain }) => chain);
    const byName = new Map(chains.map((chain) => [chain.name, chain]));
    for (const { chain, rule } of await this.#dumpRules(name, options)) byName.get(chain)?.rules.push(rule);
    return chains;
  }

  async #dumpRules(name: TableName, options: ReadOptions): Promise<RuleInfo[]> {
    return (await this.#socket.dump(getRules(name), options))
      .map(({ payload }) => decodeRule(payload))
      .filter(({ family, table }) => sameName({ family, name: table }, name))
      .map((info) => (options.counters ? info : { ...info, rule: withoutCounters(info.rule) }));
  }

  async #readSets(name: TableName, options: ReadOptions): Promise<Set[]> {
    const sets = (await this.#socket.dump(getSets(name), options))
      .map(({ payload }) => decodeSet(payload))
      .filter(({ family, table }) => sameName({ family, name: table }, name))
      .map(({ set }) => set);
    for (const set of sets) {
      if (set.flags.includes('dynamic') && !options.counters) continue;
      const answers = await this.#socket.dump(getElements(name, set.name), options);
      const elements = answers.flatMap(({ payload }) => decodeElements(payload));
      set.elements = modelElements(set, elements, options.counters === true);
    }
    return sets;
  }

  async #commit(messages: readonly NftMessage[], options: ChangeOptions = {}): Promise<void> {
    const { generation, ...call } = options;
    try {
      await this.#socket.batch(batchOf(messages, generation), call);
    } catch (error) {
      throw staleOr(error, generation);
    }
  }
}

function sameName(a: { family: string | undefined; name: string }, b: TableName): boolean {
  return a.family === b.family && a.name === b.name;
}

function changedAgainAndAgain({ family, name }: TableName): NetlinkError {
  return new NetlinkError({
    op: `read table ${family} ${name}`,
    errno: constants.errno.EBUSY,
    kernelMessage: `the ruleset changed during each of ${READ_ATTEMPTS} attempts`,
  });
}

function isMissing(error: unknown): boolean {
  return error instanceof NetlinkError && error.code === 'ENOENT';
}
