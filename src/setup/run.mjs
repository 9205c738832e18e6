/** Runs one command of the set-up: says what it does, shows what the command says, ends with its exit code. */

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');

/** A step that could not be done; the text is for the user and needs no stack trace. */
export class SetupError extends Error {}

export function say(text) {
  console.log(`setup: ${text}`);
}

/**
 * Ends with { code, output }. `quiet` gathers what the command prints (the last 16 MB) instead of passing it on.
 * A command never reads our standard input: an installer that asks a question gets end of file, not a hung terminal.
 */
export function run(command, args, { quiet = false, env = {}, cwd = ROOT } = {}) {
  return new Promise((resolve, reject) => {
    const stdio = quiet ? ['ignore', 'pipe', 'pipe'] : ['ignore', 'inherit', 'inherit'];
    const child = spawn(command, args, { cwd, stdio, env: { ...process.env, ...env } });
    const chunks = [];
    let size = 0;
    const keep = (chunk) => {
      chunks.push(chunk);
      size += chunk.length;
      while (size > 16 << 20) size -= chunks.shift().length;
    };
    child.stdout?.on('data', keep);
    child.stderr?.on('data', keep);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      resolve({ code: code ?? (signal ? 128 : 1), output: Buffer.concat(chunks).toString('utf8') });
    });
  });
}

/** `run`, where anything but success ends the set-up. */
export async function must(command, args, options) {
  const result = await run(command, args, options);
  if (result.code === 0) return result.output;
  if (options?.quiet) console.error(result.output.trimEnd());
  throw new SetupError(`${command} ${args.join(' ')} ended with ${result.code}`);
}

/** Runs a program's main function; a SetupError is one line and exit code 1. */
export async function main(body) {
  try {
    process.exitCode = (await body()) ?? 0;
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    console.error(`setup: ${error.message}`);
    process.exitCode = 1;
  }
}
