/** The rows of the table, asked: which are not as they say. */
import { until } from '../../support/until.ts';
import type { Probe } from '../../support/who-am-i.ts';
import type { ReachCluster } from './cluster.ts';
import { INSIDE, PORT, PUBLISHED } from './table.ts';
import type { Seen } from './table.ts';

/** ms that an answer may take */
const PATIENCE = 1_000;
/** bytes of an echo request's data, and how many sizes there are */
const [SMALLEST, SIZES] = [64, 1_000];

interface Row {
  from: string;
  to: string;
  probe: Probe;
  seen: Seen;
  /** undefined: not asked yet */
  answer?: string | null;
}

export class ReachJudge {
  readonly #cluster: ReachCluster;
  #pings = 0;

  constructor(cluster: ReachCluster) {
    this.#cluster = cluster;
  }

  /** Of the whole table, as text; those that are to be answered have `deadline` ms for it. */
  async contradictions(deadline = 10_000): Promise<string[]> {
    const rows = [...this.#inside(), ...this.#published()];
    return this.#contradictions(rows, deadline);
  }

  /** Of what clients outside of the cluster get from published ports. */
  async contradictionsFromOutside(): Promise<string[]> {
    const rows = this.#published().filter(({ from }) => from === 'outside');
    return this.#contradictions(rows, 10_000);
  }

  async #contradictions(rows: readonly Row[], deadline: number): Promise<string[]> {
    // What was right once is not asked again: so many at a time are more than a busy machine answers in a second.
    let wrong = rows.filter(({ seen }) => seen !== 'none');
    const right = async () => (wrong = await this.#wrong(wrong)).length === 0;
    await until(right, { what: 'the table', deadline }).catch(() => undefined);
    return [...wrong, ...(await this.#wrong(rows.filter(({ seen }) => seen === 'none')))].map(told);
  }

  #inside(): Row[] {
    return INSIDE.flatMap(([from, to, seen]) =>
      this.#cluster.addressesOf(to).flatMap((address) =>
        [
          { protocol: 'TCP' as const, to: address, port: PORT },
          { protocol: 'UDP' as const, to: address, port: PORT },
          { protocol: 'ICMP' as const, to: address, size: SMALLEST + (this.#pings++ % SIZES) },
        ].map((probe) => ({ from, to, probe, seen })),
      ),
    );
  }

  #published(): Row[] {
    return PUBLISHED.flatMap(([from, to, port, seen]) => {
      const addresses = this.#cluster.addressesOf(to);
      return (addresses.length > 0 ? addresses : [to]).flatMap((address) =>
        (['TCP', 'UDP'] as const).map((protocol) => ({ from, to, probe: { protocol, to: address, port }, seen })),
      );
    });
  }

  async #wrong(rows: readonly Row[]): Promise<Row[]> {
    const froms = [...new Set(rows.map(({ from }) => from))];
    const asked = froms.map((from) => rows.filter((row) => row.from === from)).map((own) => this.#ask(own));
    return (await Promise.all(asked)).flat().filter((row) => !this.#isAsSaid(row));
  }

  /** All from one place. */
  async #ask(rows: readonly Row[]): Promise<Row[]> {
    const probes = rows.map(({ probe }) => probe);
    const answers = await this.#cluster.post(rows[0]!.from).ask(probes, PATIENCE);
    return rows.map((row, i) => ({ ...row, answer: answers[i] ?? null }));
  }

  #isAsSaid(row: Row): boolean {
    const { from, probe, seen, answer = null } = row;
    const client = probe.protocol === 'ICMP' ? this.#cluster.post(row.to).heard(probe.size!) : answer;
    if (seen === 'none') return client === null && answer === null;
    if (client === null || answer === null) return false;
    if (seen === 'uplink') return /^(169\.254\.|fd)/.test(client);
    return this.#cluster.addressesOf(seen === 'own' ? from : this.#cluster.hostOf(from).name).includes(client);
  }
}

function told({ from, probe: { protocol, to, port }, seen, answer }: Row): string {
  return `${from}: ${protocol} to ${to} port ${port ?? '-'}: ${answer}, not ${seen}`;
}
