/** How the lab runs the machine's own tools: by argument lists, with a deadline, an error that tells what they said. */
import { execa } from 'execa';
import type { Options } from 'execa';
import { WeftError } from '../model/errors.ts';

const TOOL_DEADLINE = 20_000;

export async function runTool(file: string, args: readonly string[], options: Options = {}): Promise<string> {
  const result = await execa(file, args, { timeout: TOOL_DEADLINE, stdin: 'ignore', reject: false, ...options });
  if (!result.failed) return typeof result.stdout === 'string' ? result.stdout : '';
  const said = typeof result.stderr === 'string' ? result.stderr.trim() : '';
  const why = result.timedOut ? 'no answer in time' : said || result.shortMessage;
  throw new WeftError('lab-failed', `${file} ${args.join(' ')}: ${why}`);
}
