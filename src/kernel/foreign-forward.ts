/**
 * Packets of uplinks through forward chains of others that drop by default (dockerd, ufw, an administrator's). An accept in
 * our own table undoes no drop elsewhere, so two accept rules with our comment stand in such a chain: in DOCKER-USER, which
 * dockerd leaves alone, else at the head. They are the one thing that weft changes of others (invariant 4), they are found
 * again by their comment, and what may go to an uplink is judged by our own table all the same.
 *
 * The rules are as iptables-nft writes them: with other expressions (a native `ct`, say) it calls the whole table incompatible
 * and dockerd's own calls fail.
 */
import { commented, counter, NetlinkError, rule, StaleGenerationError, verdict } from 'netlink-ts';
import type { Chain, NftChange, NftSocket, PlacedRule, Rule, Table, TableName } from 'netlink-ts';
import type { ForeignChains } from '../plan/kernel-port.ts';
import { UPLINKS } from './host-egress.ts';
import { iptablesComment } from './iptables-comment.ts';
import { matchPrefix } from './interface-names.ts';

export const FOREIGN_COMMENT = 'weft: uplinks of tenants';

const FAMILIES = new Set(['ip', 'ip6', 'inet']);
/** Of dockerd, for rules of the administrator; FORWARD jumps to it before all else. */
const USER_CHAIN = 'DOCKER-USER';
/** firewalld's accepts by policy and rejects with its last rule */
const REJECTING = { table: 'firewalld', chain: 'filter_FORWARD' };

/** Keeps what it saw, so that a ruleset that nobody changed is not read again. */
export class ForeignForward {
  readonly #nft: NftSocket;
  /** `generation` undefined: others may have changed something while it was looked at */
  #last: { generation: number | undefined; wanted: boolean; found: ForeignChains } | undefined;

  constructor(nft: NftSocket) {
    this.#nft = nft;
  }

  /** `wanted` false takes our rules out everywhere. */
  async ensure(wanted: boolean): Promise<ForeignChains> {
    // Without uplinks one look is enough to know that nothing of ours is left.
    if (!wanted && this.#last?.wanted === false && this.#last.generation !== undefined) return this.#last.found;
    const generation = await this.#nft.generation();
    if (this.#last?.generation === generation && this.#last.wanted === wanted) {
      return { ...this.#last.found, repaired: [] };
    }
    const before = this.#last?.wanted ? this.#last.found.chains : [];
    const found: ForeignChains = { chains: [], refused: [], repaired: [] };
    let batches = 0;
    for (const table of await this.#foreignTables()) {
      const { places, changed, refused } = await this.#bring(table, wanted);
      if (changed) batches += 1;
      found[refused ? 'refused' : 'chains'].push(...places);
      // Rules that stood in a chain which stands still, and that somebody took out.
      if (changed && places.some((place) => before.includes(place))) found.repaired.push('foreign-rules');
    }
    found.chains.sort();
    found.refused.sort();
    // Each batch of ours counts one. If there was another's between, what it changed may not have been seen.
    const after = await this.#nft.generation();
    this.#last = { generation: after === generation + batches ? after : undefined, wanted, found };
    return found;
  }

  async #foreignTables(): Promise<TableName[]> {
    const tables = await this.#nft.listTables();
    return tables.flatMap(({ family, name }) => (FAMILIES.has(family) && name !== 'weft' ? [{ family, name }] : []));
  }

  async #bring(name: TableName, wanted: boolean): Promise<{ places: string[]; changed: boolean; refused: boolean }> {
    const generation = await this.#nft.generation();
    const table = await this.#nft.readTable(name);
    const targets = wanted && table ? new Set(targetsIn(table)) : new Set<string>();
    const ours = (await this.#nft.readRules(name)).filter(({ rule }) => isOurs(rule));
    const changes = changesTo(targets, ours);
    const places = [...targets].map((chain) => `${name.family} ${name.name} ${chain}`);
    if (changes.length === 0) return { places, changed: false, refused: false };
    try {
      // A rule in a chain that somebody has just emptied to remove it would be in the way.
      await this.#nft.change(name, changes, { generation });
    } catch (error) {
      // Others were faster; that wakes the loop once more, and other tables need not wait.
      if (error instanceof StaleGenerationError) return { places: [], changed: false, refused: false };
      // A table that its program owns (kernel 5.12; newer firewalld) nobody else may change.
      if (error instanceof NetlinkError && error.code === 'EPERM') return { places, changed: false, refused: true };
      throw error;
    }
    return { places, changed: true, refused: false };
  }
}

function isOurs(one: Rule): boolean {
  return (one.comment ?? iptablesComment(one)) === FOREIGN_COMMENT;
}

/**
 * Chains that need our rules: whatever drops or rejects what it forwards unless a rule of its own accepts it. A user chain
 * that nothing leads to any more (somebody flushed FORWARD) lets nothing through.
 */
function targetsIn(table: Table): string[] {
  const dropping = table.chains.filter((chain) => isDropping(table, chain));
  const user = table.chains.some(({ name }) => name === USER_CHAIN);
  return [...new Set(dropping.map((chain) => (user && leadsTo(chain, USER_CHAIN) ? USER_CHAIN : chain.name)))];
}

function leadsTo({ rules }: Chain, target: string): boolean {
  return rules.some(({ expressions }) => expressions.some((one) => 'chain' in one && one.chain === target));
}

function isDropping(table: Table, { name, base }: Chain): boolean {
  if (base?.hook !== 'forward' || base.type !== 'filter') return false;
  return base.policy === 'drop' || (table.name === REJECTING.table && name === REJECTING.chain);
}

function changesTo(targets: ReadonlySet<string>, ours: readonly PlacedRule[]): NftChange[] {
  const complete = new Set(
    [...targets].filter((chain) => ours.filter((placed) => placed.chain === chain).length === acceptRules().length),
  );
  return [
    ...ours
      .filter(({ chain }) => !complete.has(chain))
      .map(({ chain, handle }): NftChange => ({ do: 'delete rule', chain, handle })),
    ...[...targets]
      .filter((chain) => !complete.has(chain))
      .flatMap((chain) =>
        acceptRules().map((one): NftChange => ({ do: 'add rule', chain, rule: one, place: { first: true } })),
      ),
  ];
}

function acceptRules(): Rule[] {
  return (['iifname', 'oifname'] as const).map((key) =>
    commented(FOREIGN_COMMENT, rule(matchPrefix(key, UPLINKS), counter(), verdict.accept())),
  );
}
