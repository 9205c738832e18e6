/** The forging tool (forge.c), compiled once for a test file. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export class Forger {
  readonly #folder = mkdtempSync(join(tmpdir(), 'weft-forge-'));
  readonly #program = join(this.#folder, 'forge');

  constructor() {
    const source = fileURLToPath(new URL('forge.c', import.meta.url));
    execFileSync('cc', ['-O2', '-o', this.#program, source]);
  }

  /** Each frame `repeat` times, in order. `enter`: a command that runs another in the interface's namespace. */
  send(enter: readonly string[], frames: readonly Buffer[], options: { link?: string; repeat?: number } = {}): void {
    const { link = 'eth0', repeat = 1 } = options;
    const [command, ...args] = [...enter, this.#program, link, String(repeat)] as [string, ...string[]];
    const input = frames.map((frame) => `${frame.toString('hex')}\n`).join('');
    const sent = Number(execFileSync(command, args, { input, encoding: 'utf8', timeout: 60_000 }));
    if (sent !== frames.length * repeat) throw new Error(`${sent} of ${frames.length * repeat} frames were sent`);
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
