/**
 * Tells the peers that hold a network of this node's endpoints in it, beside the way through the store: they know them sooner,
 * and also while the store is away. Nothing waits for it; what is lost comes by the watch.
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

export class HintSender {
  readonly #options: HintSenderOptions;
  readonly #waiting = new Set<string>();
  #sending: Promise<void> | undefined;

  constructor(options: HintSenderOptions) {
    this.#options = options;
  }

  /** Endpoints among these keys were changed. */
  announce(keys: Iterable<string>): void {
    for (const key of keys) if (key.startsWith(prefixes.endpoints)) this.#waiting.add(key);
    if (this.#waiting.size === 0) return;
    this.#sending ??= this.#send().finally(() => {
      this.#sending = undefined;
    });
  }

  /** Whatever the store may not have yet. */
  announceAgain(): void {
    this.announce(this.#options.own.pending());
  }

  async settled(): Promise<void> {
    while (this.#sending) await this.#sending;
  }

  async #send(): Promise<void> {
    const { own, node } = this.#options;
    while (this.#waiting.size > 0) {
      try {
        await own.untilDurable();
      } catch {
        this.#waiting.clear();
        return;
      }
      const keys = [...this.#waiting].slice(0, MOST);
      for (const key of keys) this.#waiting.delete(key);
      const hint: Hint = { node: node.id, bootId: node.bootId, sequence: own.sequence, put: [], delete: [] };
      for (const key of keys) {
        const value = own.get(key);
        if (value === undefined) hint.delete.push(key);
        else hint.put.push({ key, value });
      }
      const networks = new Set(keys.map((key) => key.slice(prefixes.endpoints.length).split('/')[0] ?? ''));
      await Promise.all(this.#holders(networks).map((peer) => this.#tell(peer, hint)));
    }
  }

  async #tell(peer: string, hint: Hint): Promise<void> {
    const { peers, log } = this.#options;
    try {
      await peers.hint(peer, hint, { deadline: DEADLINE });
    } catch (error) {
      log.debug({ peer, reason: describeCause(error) }, 'a hint was not taken');
    }
  }

  #holders(networks: Set<string>): string[] {
    const { view, node } = this.#options;
    const { state } = view.current();
    const holders = new Set<string>();
    for (const one of [...state.endpoints.values(), ...state.bindings.values()]) {
      if (networks.has(one.network) && one.node !== node.id && state.live.has(one.node)) holders.add(one.node);
    }
    return [...holders];
  }
}
