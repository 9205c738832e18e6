/** What is asked without pause, all the while: the ways that weft gives, and those that must stay shut. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { expect } from 'vitest';
import type { Lab, LabHost } from '../../../src/lab/lab.ts';
import { OUTSIDE } from '../../../src/lab/underlay.ts';
import { Hearing, TALKER } from '../../support/talker.ts';
import type { Talk } from '../../support/talker.ts';
import { until } from '../../support/until.ts';
import { STRANGER } from './containers.ts';
import type { Place } from './containers.ts';

/** of those who talk here, and that which c1 publishes */
export const [PORT, PUBLISHED] = [8090, 18_090];
/** ms in which everything that weft gives is back */
export const DEADLINE = 5_000;
/** Never answered once weft's rules stand, whoever else has none. */
const SHUT = ['c1 to docker0'];
/** Answered only where nothing of others drops what the host forwards. */
export const FOREIGN = ['the outside to docker0', 'the outside to a stranger'];
/** Datagrams of c1 that must arrive at no time at all. */
const ASTRAY = ['c1 at a daemon of host1', 'c1 at a daemon of host2', 'c1 at rival'];
/** Datagrams that must arrive, where the others must not. */
const HEARD = ['r1 hears', 'plain hears', 'host1 hears'];

export type Talkers = Record<'c1' | 'c2' | 'r1' | 'plain', Place>;

export class Ways {
  readonly #lab: Lab;
  readonly #one: LabHost;
  readonly #hearing = new Hearing();
  /** By name of the question: what it is answered while all is well. */
  readonly #answers = new Map<string, RegExp>();
  #outside: ChildProcess | undefined;

  private constructor(lab: Lab) {
    this.#lab = lab;
    this.#one = lab.host(1);
  }

  static async start(lab: Lab, talkers: Talkers): Promise<Ways> {
    const ways = new Ways(lab);
    await ways.#start(talkers);
    return ways;
  }

  /** Those that are not as they should be since then. */
  missing(since: number): string[] {
    return [...this.#answers]
      .filter(([name, answer]) => !answer.test(this.#hearing.settled(name, since, 2) ?? ''))
      .map(([name]) => name);
  }

  /** All that weft gives is there for questions asked since then, and what it shuts is shut from now on. */
  async expectBack(since: number, deadline = DEADLINE): Promise<void> {
    await until(() => this.missing(since).length === 0, { what: 'the ways', deadline }).catch(() => undefined);
    expect(this.missing(since)).toEqual([]);
    await this.expectShut(SHUT);
    expect(ASTRAY.filter((text) => this.#hearing.count(text) > 0)).toEqual([]);
  }

  /** From now on. */
  async expectShut(names: string[]): Promise<void> {
    const since = Date.now();
    const asked = () => names.every((name) => this.#hearing.settled(name, since, 2) === '');
    await until(asked, { what: `no answer: ${names.join(', ')}`, deadline: 20_000 }).catch(() => undefined);
    const answers = names.flatMap((name) =>
      [...this.#hearing.answersSince(name, since)].map((answer) => `${name}: ${answer}`),
    );
    expect(answers).toEqual(names.map((name) => `${name}: `));
  }

  /** Not one question went without its answer. */
  expectUnbroken(since: number): void {
    for (const [name, answer] of this.#answers) {
      const answers = [...this.#hearing.answersSince(name, since)];
      expect({ name, wrong: answers.filter((one) => !answer.test(one)) }).toEqual({ name, wrong: [] });
    }
  }

  /** That it is heard where the others must not be. */
  async untilHeard(): Promise<void> {
    await until(() => HEARD.every((text) => this.#hearing.count(text) > 0), { what: HEARD.join(', ') });
  }

  /** Nobody drops what the host forwards. */
  async untilForeignOpen(): Promise<void> {
    const since = Date.now();
    await until(() => FOREIGN.every((name) => this.#hearing.settled(name, since, 2)), { what: FOREIGN.join(', ') });
  }

  end(): void {
    this.#outside?.kill('SIGKILL');
  }

  async #start({ c1, c2, r1, plain }: Talkers): Promise<void> {
    const [one, two] = [this.#one, this.#lab.host(2)];
    await this.#talk(c1, {
      asks: [
        this.#ask('out by IPv4', OUTSIDE.ipv4, seen(one.address4)),
        this.#ask('out by IPv6', OUTSIDE.ipv6, seen(one.address6)),
        this.#ask('c1 to c2 by IPv4', c2.ipv4, seen(c1.ipv4)),
        this.#ask('c1 to c2 by IPv6', c2.ipv6, seen(c1.ipv6)),
        this.#ask('c1 to docker0', plain.ipv4),
      ],
      shouts: [
        ...[one.address4, one.address6].map((to) => ({ to, text: 'c1 at a daemon of host1' })),
        ...[two.address4, two.address6].map((to) => ({ to, text: 'c1 at a daemon of host2' })),
        ...[r1.ipv4, r1.ipv6].map((to) => ({ to, text: 'c1 at rival' })),
      ],
    });
    await this.#talk(c2, {
      asks: [
        this.#ask('c2 to c1 by IPv4', c1.ipv4, seen(c2.ipv4)),
        this.#ask('c2 to c1 by IPv6', c1.ipv6, seen(c2.ipv6)),
      ],
    });
    await this.#talk(r1, { shouts: [{ to: r1.ipv4, text: 'r1 hears' }] });
    await this.#talk(plain, {});
    await this.#talk({ host: one }, { shouts: [{ to: plain.ipv4, text: 'plain hears' }] });
    await this.#talk(
      { host: two },
      {
        asks: [
          this.#ask('in by IPv4', one.address4, servedBy(c1.ipv4), PUBLISHED),
          this.#ask('in by IPv6', one.address6, servedBy(c1.ipv6), PUBLISHED),
        ],
        shouts: [{ to: one.address4, text: 'host1 hears' }],
      },
    );
    await this.#talkOutside(plain);
    await this.#talk({ host: one, netns: '/run/netns/stranger' }, {});
  }

  #ask(name: string, to: string, answer?: RegExp, port = PORT): Talk['asks'][number] {
    if (answer) this.#answers.set(name, answer);
    return { name, to, port };
  }

  async #talk({ host, pid, netns }: Partial<Place> & { host: LabHost; netns?: string }, what: Partial<Talk>) {
    const path = netns ?? (pid === undefined ? undefined : `/proc/${pid}/ns/net`);
    const enter = path === undefined ? [] : ['nsenter', `--net=${path}`];
    const session = await host.spawn([...enter, 'node', '-e', TALKER, '--', talkOf(what)]);
    await this.#hearing.follow(session.stdout);
  }

  /** Somebody outside of the cluster who sends what is for host1's other networks to host1. */
  async #talkOutside(plain: Place): Promise<void> {
    const enter = ['-t', String(this.#lab.switchPid), '-n'];
    const via = (subnet: string) => `ip route add ${subnet} via ${this.#one.address4}`;
    const script = `${via('172.17.0.0/16')} && ${via(STRANGER.subnet)} && exec "$@"`;
    const [docker0, stranger] = FOREIGN as [string, string];
    const asks = [this.#ask(docker0, plain.ipv4), this.#ask(stranger, STRANGER.address)];
    const command = [process.execPath, '-e', TALKER, '--', talkOf({ asks })];
    this.#outside = spawn('nsenter', [...enter, 'sh', '-c', script, 'sh', ...command], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await this.#hearing.follow(this.#outside.stdout!);
  }
}

function talkOf(what: Partial<Talk>): string {
  return JSON.stringify({ port: PORT, asks: [], shouts: [], patience: 700, pause: 100, ...what } satisfies Talk);
}

const seen = (address: string) => new RegExp(`^${address.replaceAll('.', '\\.')} `);
const servedBy = (address: string) => new RegExp(` ${address.replaceAll('.', '\\.')}$`);
