/**
 * When a released address may go to somebody else: 30 s after it was first seen to rest, by a monotonic clock, and not before every live node has applied
 * a revision in which the store shows it as released. A node that still had its old forwarding entry would send the new
 * holder's packets to the old place.
 */
import type { Logger } from 'pino';
import { prefixes } from '../../model/keys.ts';
import { RESTING_TIME } from '../../model/limits.ts';
import type { AddressRecord } from '../../model/objects.ts';
import type { Reconciler } from '../../reconcile/port.ts';
import type { ClusterView } from '../cluster-view.ts';
import type { OwnRecords } from './own-records.ts';
import type { PeerPort } from './ports.ts';

export interface RestOptions {
  node: { id: string };
  own: OwnRecords;
  view: ClusterView;
  peers: PeerPort;
  /** up to where this host's own kernel follows the store and the journal */
  applied: Reconciler['applied'];
  log: Logger;
}

interface Resting {
  /** when it was first looked at, by the caller's monotonic clock, in milliseconds */
  since: number | undefined;
  /** of the release */
  sequence: number;
  /** at which the store shows it */
  revision: number | undefined;
}

/** for one peer's answer, in milliseconds */
const PEER_DEADLINE = 2_000;

export class Rest {
  readonly #options: RestOptions;
  readonly #resting = new Map<string, Resting>();
  /** revisions that other nodes have applied */
  readonly #applied = new Map<string, number>();

  constructor(options: RestOptions) {
    this.#options = options;
    const { own } = options;
    for (const [key] of own.entries(prefixes.addresses)) this.#follow(key);
    own.onAppend((keys) => {
      for (const key of keys) if (key.startsWith(prefixes.addresses)) this.#follow(key);
    });
    own.onPublished((sequence, revision) => {
      for (const one of this.#resting.values()) if (one.sequence <= sequence) one.revision ??= revision;
    });
  }

  /** The store counts its revisions from a backup: what was seen of those before says nothing. */
  beginAnew(): void {
    this.#applied.clear();
    for (const one of this.#resting.values()) one.revision = undefined;
  }

  /** Keys of addresses whose rest is over. */
  over(now: number): string[] {
    return [...this.#resting].flatMap(([key, one]) => (isDue(one, now) && this.#isApplied(one) ? [key] : []));
  }

  /** Asks those who have not applied what is due. Unreachable ones keep it resting while their lease lives. */
  async round(now: number, signal: AbortSignal): Promise<void> {
    const due = [...this.#resting.values()].filter((one) => isDue(one, now) && one.revision !== undefined);
    const newest = Math.max(0, ...due.map(({ revision = 0 }) => revision));
    await this.#ask(this.#others(), newest, signal);
  }

  /**
   * Ids of the nodes of the cluster, live or not, that have not applied the revision as far as can be learnt; also of those that were
   * forgotten and are still heard from.
   */
  async behind(revision: number, signal?: AbortSignal): Promise<string[]> {
    const { view, node, applied } = this.#options;
    const { nodes, live } = view.current().state;
    const others = [...new Set([...nodes.keys(), ...live])].filter((id) => id !== node.id);
    await this.#ask(others, revision, signal);
    const behind = others.filter((id) => (this.#applied.get(id) ?? 0) < revision);
    const own = applied().revision;
    // More than the picture has is of a history before the store was put back.
    return own < revision || own > view.revision ? [node.id, ...behind] : behind;
  }

  async #ask(nodes: string[], newest: number, signal: AbortSignal | undefined): Promise<void> {
    const { peers, log } = this.#options;
    const behind = nodes.filter((node) => (this.#applied.get(node) ?? 0) < newest);
    await Promise.all(
      behind.map(async (node) => {
        try {
          const { revision } = await peers.applied(node, { deadline: PEER_DEADLINE, ...(signal && { signal }) });
          this.#applied.set(node, Math.max(revision, this.#applied.get(node) ?? 0));
        } catch (error) {
          log.debug({ err: error, node }, 'did not learn what a node has applied');
        }
      }),
    );
  }

  #isApplied({ revision, sequence }: Resting): boolean {
    if (revision === undefined || this.#options.applied().sequence < sequence) return false;
    return this.#others().every((node) => (this.#applied.get(node) ?? 0) >= revision);
  }

  #others(): string[] {
    const { view, node } = this.#options;
    return [...view.current().state.live].filter((id) => id !== node.id);
  }

  #follow(key: string): void {
    const { own } = this.#options;
    if (own.get<AddressRecord>(key)?.state !== 'resting') this.#resting.delete(key);
    else this.#resting.set(key, { since: undefined, sequence: own.sequence, revision: undefined });
  }
}

function isDue(one: Resting, now: number): boolean {
  one.since ??= now;
  return now - one.since >= RESTING_TIME;
}
