/** The forging tool (forge.c), compiled once for a test file. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A command that runs another where an interface is. */
export type Enter = readonly [command: string, ...args: string[]];

export class Forger {
  readonly #folder = mkdtempSync(join(tmpdir(), 'weft-forge-'));
  readonly #program = join(this.#folder, 'forge');

  constructor() {
    const source = fileURLToPath(new URL('forge.c', import.meta.url));
    execFileSync('cc', ['-O2', '-o', this.#program, source]);
  }

  /** Each frame `repeat` times, in order. */
  send(enter: Enter, frames: readonly Buffer[], options: { link?: string; repeat?: number; base?: number } = {}): void {
    const { link = 'eth0', repeat = 1, base = 0 } = options;
    const [command, ...args] = enter;
    const input = frames.map((frame) => `${frame.toString('hex')}\n`).join('');
    const sent = Number(
      execFileSync(command, [...args, this.#program, link, String(repeat), String(base)], {
        input,
        encoding: 'utf8',
        timeout: 60_000,
      }),
    );
    if (sent !== frames.length * repeat) throw new Error(`${sent} of ${frames.length * repeat} frames were sent`);
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
