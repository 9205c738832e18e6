/** What arrives on one link, frame for frame, for tests of what must not. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

const MAX_BYTES = 64 << 20;
/** Without these, the ring of immediate mode has eight places, each for the longest frame there could be. */
const ROOM = ['-s', '2048', '-B', '16384'];

export class FrameCapture {
  readonly #process: ChildProcess;
  #text = '';

  private constructor(process: ChildProcess) {
    this.#process = process;
    process.stdout?.on('data', (chunk: Buffer) => {
      if (this.#text.length < MAX_BYTES) this.#text += chunk.toString('latin1');
    });
  }

  /** `enter`: a command that runs another in the link's namespace. Resolves once tcpdump listens. */
  static async start(enter: readonly string[], link: string, filter: string[] = []): Promise<FrameCapture> {
    const [command = '', ...args] = [
      ...enter,
      ...['tcpdump', '-i', link, '-Q', 'in', '-n', ...ROOM, '-U', '--immediate-mode', '-w', '-', ...filter],
    ];
    const tcpdump = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const capture = new FrameCapture(tcpdump);
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

  /** These bytes came, anywhere in a frame. */
  saw(bytes: Buffer): boolean {
    if (this.#text.length >= MAX_BYTES) throw new Error(`more than ${MAX_BYTES} bytes were captured`);
    return this.#text.includes(bytes.toString('latin1'));
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, 'close');
    this.#process.kill('SIGTERM');
    await ended;
  }
}
