/** Standing TCP streams between members: the proof that no established connection was lost meanwhile. */
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { LabSession } from '../../src/lab/lab.ts';
import { until } from '../support/until.ts';
import { namespaceOf } from './world.ts';
import type { Member, World } from './world.ts';

const PROGRAM = fileURLToPath(new URL('stream.mjs', import.meta.url));
const PORT = '7001';
/**
 * A stream whose peer is back goes on at once, not after twice what it has waited already (kernels from 6.15 on); and it is not
 * given up after so many tries, which would then be a quarter of a minute.
 */
const PATIENCE = 'cd /proc/sys/net/ipv4; echo 1000 >tcp_rto_max_ms && echo 255 >tcp_retries2';

interface Stream {
  echoed: number;
  breaks: number;
  reason: string;
}

/** Who has a stream to whom, and how it stands. */
export interface StreamState extends Stream {
  from: Member;
  to: Member;
}

export class Streams {
  readonly #world: World;
  readonly #sessions = new Map<string, LabSession>();
  readonly #lastWords = new Map<string, string>();
  readonly #last = new Map<string, Record<string, Stream>>();

  constructor(world: World) {
    this.#world = world;
  }

  /** Of all members, or of those that have none (any more): a power cut ended theirs. Ends when they stand. */
  async start(members: readonly Member[] = this.#world.members): Promise<void> {
    await this.open(members);
    await this.progress(60_000);
  }

  async open(members: readonly Member[]): Promise<void> {
    await Promise.all(
      members.map(async (member) => {
        await this.stop([member]);
        const host = this.#world.lab.host(member.host);
        const inside = ['nsenter', `--net=${namespaceOf(member)}`];
        await host.exec([...inside, 'sh', '-c', PATIENCE]);
        const targets = targetsOf(this.#world.members, member).map(({ address }) => address);
        const session = await host.spawn([...inside, 'node', PROGRAM, PORT, ...targets]);
        createInterface({ input: session.stdout }).on('line', (line) => {
          this.#last.set(member.name, JSON.parse(line) as Record<string, Stream>);
        });
        this.#sessions.set(member.name, session);
        void session.exited.then(({ stderr }) => this.#lastWords.set(member.name, stderr));
      }),
    );
  }

  async stop(members: readonly Member[] = this.#world.members): Promise<void> {
    await Promise.all(
      members.map(async ({ name }) => {
        const session = this.#sessions.get(name);
        this.#sessions.delete(name);
        this.#last.delete(name);
        session?.stdin.end();
        await session?.exited;
      }),
    );
  }

  states(): StreamState[] {
    return this.#world.members.flatMap((from) =>
      targetsOf(this.#world.members, from).map((to) => {
        const reason = `it never stood ${this.#lastWords.get(from.name) ?? ''}`;
        return { from, to, ...(this.#last.get(from.name)?.[to.address] ?? { echoed: 0, breaks: 0, reason }) };
      }),
    );
  }

  /** Every stream has brought something that was sent from now on. */
  async progress(deadline: number): Promise<void> {
    const before = new Map(this.states().map((stream) => [nameOf(stream), stream.echoed]));
    const stuck = () => this.states().filter((one) => !(one.echoed > (before.get(nameOf(one)) ?? 0) + 1));
    await until(() => stuck().length === 0, { what: 'every stream to go on', deadline }).catch((error: unknown) => {
      const names = stuck().map((one) => `${nameOf(one)} (${one.reason || 'silent'})`);
      throw new Error(`${String(error)}: ${names.join(', ')}`);
    });
  }
}

export function nameOf({ from, to }: StreamState): string {
  return `${from.name} to ${to.name}`;
}

/** The member of the same kind on the next host, and from one kind to the other on the same host. */
function targetsOf(members: readonly Member[], from: Member): Member[] {
  const hosts = Math.max(...members.map(({ host }) => host));
  const next = (from.host % hosts) + 1;
  return members.filter(
    (to) =>
      (to.kind === from.kind && to.host === next) ||
      (from.kind === 'own' && to.kind === 'box' && to.host === from.host),
  );
}
