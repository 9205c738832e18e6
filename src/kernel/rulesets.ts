/**
 * The rulesets of weft's in one namespace, and the generation of nftables at which each was seen to stand. The kernel counts
 * every batch that anybody commits there: while the number is the same nobody has changed anything, and what is wanted now is
 * compared with memory. Else the table is read again (ruleset.ts). A change from memory is bound to the generation, so that
 * it is never made of a ruleset that is another by then.
 */
import { StaleGenerationError } from 'netlink-ts';
import type { NftSocket, Table } from 'netlink-ts';
import type { RulesetIntent } from '../plan/ruleset.ts';
import type { KernelFeatures } from './features.ts';
import { compileRuleset } from './guard-tables.ts';
import { bringTable, ensureRuleset } from './ruleset.ts';

interface Seen {
  intent: RulesetIntent;
  /** the intent, to be compared: cheaper than to compile it, or to walk two of them */
  text: string;
  table: Table;
  /** undefined: others may have changed it while it was looked at */
  generation: number | undefined;
}

export interface Ensured {
  /** undefined: there was none */
  before: Table | undefined;
  after: Table;
  /** what had to be changed that stood before */
  repaired: string[];
}

export class Rulesets {
  readonly #nft: NftSocket;
  readonly #seen = new Map<RulesetIntent['kind'], Seen>();

  constructor(nft: NftSocket) {
    this.#nft = nft;
  }

  /** Throws as `ensureRuleset` does. */
  async ensure(intent: RulesetIntent, features?: KernelFeatures): Promise<Ensured> {
    const generation = await this.#nft.generation();
    const seen = this.#seen.get(intent.kind);
    const text = JSON.stringify(intent);
    if (seen?.generation === generation) {
      const after =
        seen.text === text
          ? seen.table
          : await this.#fromMemory(seen, { intent, text, table: compileRuleset(intent, features) });
      if (after) return { before: seen.table, after, repaired: [] };
    }
    const { repaired, changed, found, wanted } = await ensureRuleset(this.#nft, intent, {
      ...(seen ? { last: seen.intent } : {}),
      ...(features ? { features } : {}),
    });
    await this.#remember({ intent, text, table: wanted }, { before: generation, changed });
    return { before: found, after: wanted, repaired };
  }

  /** The table as it is then; undefined when somebody was faster. */
  async #fromMemory(
    { table: found, generation = 0 }: Seen,
    { intent, text, table }: Omit<Seen, 'generation'>,
  ): Promise<Table | undefined> {
    try {
      const changed = await bringTable(this.#nft, { found, wanted: table, intent }, { generation });
      await this.#remember({ intent, text, table }, { before: generation, changed });
      return table;
    } catch (error) {
      if (error instanceof StaleGenerationError) return undefined;
      throw error;
    }
  }

  /** One batch of ours moves the number by one: then all else that stood before stands still. */
  async #remember(
    one: Omit<Seen, 'generation'>,
    { before, changed }: { before: number; changed: boolean },
  ): Promise<void> {
    const after = await this.#nft.generation();
    const alone = after === before + (changed ? 1 : 0);
    if (alone) for (const other of this.#seen.values()) if (other.generation === before) other.generation = after;
    this.#seen.set(one.intent.kind, { ...one, generation: alone ? after : undefined });
  }
}
