/** Every byte that crosses a lab's underlay, for tests that look for what must not be there. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

const MAX_BYTES = 256 << 20;

export class UnderlayCapture {
  readonly #process: ChildProcess;
  readonly #chunks: Buffer[] = [];
  #size = 0;

  private constructor(process: ChildProcess) {
    this.#process = process;
    process.stdout?.on('data', (chunk: Buffer) => {
      this.#size += chunk.length;
      if (this.#size <= MAX_BYTES) this.#chunks.push(chunk);
    });
  }

  /** In the network namespace of `pid`, on all its links; resolves once tcpdump listens. */
  static async start(pid: number): Promise<UnderlayCapture> {
    const args = ['-t', String(pid), '-n', 'tcpdump', '-i', 'any', '-s', '0', '-U', '-B', '16384', '-w', '-'];
    const tcpdump = spawn('nsenter', args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const capture = new UnderlayCapture(tcpdump);
    let text = '';
    const ended = once(tcpdump, 'exit').then(() => Promise.reject(new Error(`tcpdump ended: ${text}`)));
    ended.catch(() => undefined);
    const listens = new Promise<void>((resolve) => {
      tcpdump.stderr.on('data', (data: Buffer) => {
        text += data.toString();
        if (text.includes('listening on')) resolve();
      });
    });
    await Promise.race([listens, ended]);
    return capture;
  }

  /** So far; one byte a character. */
  get text(): string {
    if (this.#size > MAX_BYTES) throw new Error(`more than ${MAX_BYTES} bytes were captured`);
    return Buffer.concat(this.#chunks).toString('latin1');
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, 'close');
    this.#process.kill('SIGTERM');
    await ended;
  }
}
