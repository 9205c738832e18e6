/**
 * Tells the peers that hold a network of this node's endpoints in it, beside the way through the store: they know them sooner,
 * and also while the store is away. Nothing waits for it, nor one peer for another; what a peer does not take is told again.
 */
import type { Logger } from 'pino';
import { describeCause } from '../../model/errors.ts';
import { prefixes } from '../../model/keys.ts';
import type { ClusterView } from '../cluster-view.ts';
import type { OwnRecords } from './own-records.ts';
import type { Hint, PeerPort } from './ports.ts';

export interface HintSenderOptions {
  node: { id: string; bootId: string };
  own: OwnRecords;
  view: ClusterView;
  peers: PeerPort;
  log: Logger;
}

/** milliseconds */
const DEADLINE = 1_000;
/** records of one message */
const MOST = 200;

/** What a peer is to be told. That nothing runs is said in the same step as the last look at what is left. */
interface Telling {
  keys: Set<string>;
  running: Promise<void> | undefined;
}

export class HintSender {
  readonly #options: HintSenderOptions;
  readonly #changed = new Set<string>();
  readonly #tellings = new Map<string, Telling>();
  #spreading: Promise<void> | undefined;

  constructor(options: HintSenderOptions) {
    this.#options = options;
  }

  /** Endpoints among these keys were changed. */
  announce(keys: Iterable<string>): void {
    for (const key of keys) if (key.startsWith(prefixes.endpoints)) this.#changed.add(key);
    if (this.#changed.size === 0) return;
    this.#spreading ??= this.#spread();
  }

  /** Whatever the store may not have yet, to all: a peer that was started again knows nothing of it. */
  announceAgain(): void {
    this.announce(this.#options.own.pending());
  }

  /** What a peer did not take, unless the store has it by now. */
  repeat(): void {
    for (const [peer, telling] of this.#tellings) {
      if (telling.running) continue;
      for (const key of telling.keys) if (!this.#options.own.isPending(key)) telling.keys.delete(key);
      if (telling.keys.size === 0) this.#tellings.delete(peer);
      else telling.running = this.#tell(peer, telling);
    }
  }

  async settled(): Promise<void> {
    await this.#spreading;
    await Promise.all([...this.#tellings.values()].map(async ({ running }) => await running));
  }

  /** Who holds a network is looked up once for all that changes while one group of entries goes to disk. */
  async #spread(): Promise<void> {
    while (this.#changed.size > 0) {
      for (const [peer, keys] of this.#concerned([...this.#changed])) {
        const telling = this.#tellings.get(peer) ?? { keys: new Set(), running: undefined };
        for (const key of keys) telling.keys.add(key);
        this.#tellings.set(peer, telling);
        telling.running ??= this.#tell(peer, telling);
      }
      this.#changed.clear();
      await this.#options.own.untilDurable().catch(() => undefined);
    }
    this.#spreading = undefined;
  }

  /** Ends when the peer knows all, or at the first message that it does not take. */
  async #tell(peer: string, telling: Telling): Promise<void> {
    while (telling.keys.size > 0 && (await this.#tellSome(peer, telling.keys)));
    telling.running = undefined;
  }

  async #tellSome(peer: string, keys: Set<string>): Promise<boolean> {
    const { own, peers, log } = this.#options;
    const told = [...keys].slice(0, MOST);
    for (const key of told) keys.delete(key);
    const hint = this.#hintOf(told);
    try {
      // What was appended since is in the next one: nobody hears of what a crash would undo.
      await own.untilDurable();
    } catch {
      keys.clear();
      return false;
    }
    try {
      await peers.hint(peer, hint, { deadline: DEADLINE });
    } catch (error) {
      for (const key of told) keys.add(key);
      log.debug({ peer, reason: describeCause(error) }, 'a hint was not taken');
      return false;
    }
    return true;
  }

  #hintOf(keys: string[]): Hint {
    const { own, node } = this.#options;
    const hint: Hint = { node: node.id, bootId: node.bootId, sequence: own.sequence, put: [], delete: [] };
    for (const key of keys) {
      const value = own.get(key);
      if (value === undefined) hint.delete.push(key);
      else hint.put.push({ key, value });
    }
    return hint;
  }

  /** By peer, the keys of networks that it holds. */
  #concerned(keys: string[]): [string, string[]][] {
    const { view, node } = this.#options;
    const { state } = view.current();
    const changed = new Set(keys.map(networkOf));
    const held = new Map<string, Set<string>>();
    for (const { network, node: holder } of [...state.endpoints.values(), ...state.bindings.values()]) {
      if (!changed.has(network) || holder === node.id || !state.live.has(holder)) continue;
      held.set(holder, (held.get(holder) ?? new Set()).add(network));
    }
    return [...held].map(([peer, networks]) => [peer, keys.filter((key) => networks.has(networkOf(key)))]);
  }
}

function networkOf(key: string): string {
  return key.slice(prefixes.endpoints.length).split('/')[0] ?? '';
}
