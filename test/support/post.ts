/** A program that stays in a namespace: it answers who asks, asks others when told to, and hears who pings it. */
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { canonicalAddress } from '../../src/model/address/address.ts';
import { ASK, canonical, SERVER } from './who-am-i.ts';
import type { Probe } from './who-am-i.ts';

/**
 * Arguments: the port that it serves. A line of its input is what askAll takes. A line of its output is "ready", {"answers"}
 * in the order of the questions, or {"echo": [bytes of data, from whom]} for an echo request that came in.
 */
export const POST = `${SERVER} ${ASK}
  const say = (what) => process.stdout.write(JSON.stringify(what) + '\\n');
  const { spawn } = require('node:child_process'), { createInterface } = require('node:readline');
  const filter = 'icmp[icmptype] == icmp-echo or icmp6[icmp6type] == icmp6-echo';
  const words = ['-i', 'any', '-Q', 'in', '-n', '-l', '--immediate-mode', '-B', '256', '-s', '128', filter];
  const ear = spawn('tcpdump', words, { stdio: ['ignore', 'pipe', 'ignore'] });
  createInterface({ input: ear.stdout }).on('line', (line) => {
    const [, from, bytes] = / IP6? (\\S+) > .* length (\\d+)/.exec(line) ?? [];
    if (from) say({ echo: [bytes - 8, from] });
  });
  const input = createInterface({ input: process.stdin });
  input.on('line', (line) => askAll(JSON.parse(line)).then((answers) => say({ answers })));
  input.on('close', () => { ear.kill(); process.exit(); });`;

/** ms in which a post is ready, and answers beyond what it waits for others */
const DEADLINE = 30_000;

interface Process {
  stdin: NodeJS.WritableStream;
  stdout: NodeJS.ReadableStream;
}

export class Post {
  readonly #process: Process;
  /** by bytes of data: who sent the last echo request of that size */
  readonly #echoes = new Map<number, string>();
  #answer: ((answers: (string | null)[]) => void) | undefined;

  private constructor(process: Process) {
    this.#process = process;
    createInterface({ input: process.stdout }).on('line', (line) => {
      if (line !== 'ready') this.#take(JSON.parse(line) as { answers: string[] } | { echo: [number, string] });
    });
  }

  /** `process` runs POST. Resolves once it serves. */
  static async of(process: Process): Promise<Post> {
    await once(process.stdout, 'data', { signal: AbortSignal.timeout(DEADLINE) });
    return new Post(process);
  }

  /** All at once, and one call at a time. By probe: the address that it was seen with, "answers" for ICMP, null for no answer. */
  async ask(probes: readonly Probe[], wait: number): Promise<(string | null)[]> {
    const answered = new Promise<(string | null)[]>((resolve, reject) => {
      this.#answer = resolve;
      // A program that died or hangs must not hold the test for ever, nor this timer the test's end.
      setTimeout(() => reject(new Error('a post does not answer')), wait + DEADLINE).unref();
    });
    this.#process.stdin.write(`${JSON.stringify([wait, ...probes])}\n`);
    return await answered;
  }

  /** Who pinged it last with so many bytes of data; null: nobody. */
  heard(size: number): string | null {
    return this.#echoes.get(size) ?? null;
  }

  end(): void {
    this.#process.stdin.end();
  }

  #take(said: { answers: string[] } | { echo: [number, string] }): void {
    if ('answers' in said) this.#answer?.(canonical(said.answers));
    else this.#echoes.set(said.echo[0], canonicalAddress(said.echo[1]) ?? said.echo[1]);
  }
}
