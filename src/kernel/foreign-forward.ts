/**
 * Packets of uplinks through forward chains of others that drop by default (dockerd, ufw, an administrator's). An accept in
 * our own table undoes no drop elsewhere, so two accept rules with our comment stand in such a chain: in DOCKER-USER, which
 * dockerd leaves alone, else at the head. They are the one thing that weft changes of others (invariant 4), they are found
 * again by their comment, and what may go to an uplink is judged by our own table all the same.
 *
 * The rules are as iptables-nft writes them: with other expressions (a native `ct`, say) it calls the whole table incompatible
 * and dockerd's own calls fail.
 */
import { commented, counter, rule, verdict } from 'netlink-ts';
import type { Chain, NftChange, NftSocket, PlacedRule, Rule, Table, TableName } from 'netlink-ts';
import type { ForeignChains } from '../plan/kernel-port.ts';
import { UPLINKS } from './host-egress.ts';
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
  #last: { generation: number; wanted: boolean; found: ForeignChains } | undefined;

  constructor(nft: NftSocket) {
    this.#nft = nft;
  }

  /** `wanted` false takes our rules out everywhere. */
  async ensure(wanted: boolean): Promise<ForeignChains> {
    // Without uplinks one look is enough to know that nothing of ours is left.
    if (!wanted && this.#last?.wanted === false) return this.#last.found;
    const generation = await this.#nft.generation();
    if (this.#last?.generation === generation && this.#last.wanted === wanted) {
      return { ...this.#last.found, repaired: [] };
    }
    const before = this.#last?.wanted ? this.#last.found.chains : [];
    const chains: string[] = [];
    const repaired: string[] = [];
    for (const table of await this.#foreignTables()) {
      const { places, changed } = await this.#bring(table, wanted);
      chains.push(...places);
      // Rules that stood in a chain which stands still, and that somebody took out.
      if (changed && places.some((place) => before.includes(place))) repaired.push('foreign-rules');
    }
    const found = { chains: chains.sort(), repaired };
    this.#last = { generation: await this.#nft.generation(), wanted, found };
    return found;
  }

  async #foreignTables(): Promise<TableName[]> {
    const tables = await this.#nft.listTables();
    return tables.flatMap(({ family, name }) => (FAMILIES.has(family) && name !== 'weft' ? [{ family, name }] : []));
  }

  async #bring(name: TableName, wanted: boolean): Promise<{ places: string[]; changed: boolean }> {
    const table = await this.#nft.readTable(name);
    if (!table) return { places: [], changed: false };
    const targets = wanted ? new Set(targetsIn(table)) : new Set<string>();
    const ours = (await this.#nft.readRules(name)).filter(({ rule: { comment } }) => comment === FOREIGN_COMMENT);
    const changes = changesTo(targets, ours);
    if (changes.length > 0) await this.#nft.change(name, changes);
    return {
      places: [...targets].map((chain) => `${name.family} ${name.name} ${chain}`),
      changed: changes.length > 0,
    };
  }
}

/** Chains that need our rules: whatever drops or rejects what it forwards unless a rule of its own accepts it. */
function targetsIn(table: Table): string[] {
  const dropping = table.chains.filter((chain) => isDropping(table, chain));
  if (dropping.length === 0) return [];
  const user = table.chains.find(({ name }) => name === USER_CHAIN);
  return user ? [user.name] : dropping.map(({ name }) => name);
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
