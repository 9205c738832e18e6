/** The README's tutorial, line by line as printed, in a lab of another name. */
import { readFileSync } from 'node:fs';
import { execa } from 'execa';
import { afterAll, describe, expect, it } from 'vitest';
import { labDown, labExists } from '../../src/lab/lab.ts';

const NAME = `tour-${process.pid}`;
const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
const tutorial = readme.split('\n## Tutorial\n')[1]?.split('\n### ')[0] ?? '';
const lines = [...tutorial.matchAll(/^```\n(.*?)^```/gms)].flatMap((block) => (block[1] ?? '').trim().split('\n'));

afterAll(async () => {
  await labDown(NAME);
});

describe('the tutorial', () => {
  it('works as it is printed', async () => {
    // The set-up has run before any test.
    const commands = lines.filter((line) => line !== 'npm run setup').map((line) => line.replaceAll('tour', NAME));
    expect(commands.length).toBeGreaterThan(10);
    const printed: string[] = [];
    for (const command of commands) printed.push((await execa('sh', ['-c', command], { timeout: 90_000 })).stdout);
    const of = (part: string) => printed[commands.findIndex((command) => command.includes(part))] ?? '';
    expect(of('weft node ls')).toMatch(/host1 +yes[^]*host2 +yes/);
    expect(of('ping -c 3')).toContain(' 0% packet loss');
    expect(of('weft endpoint ls')).toMatch(/acme\/web\/docker-\S+ +10\.10\.0\.10\/16/);
    expect(of('weft status')).toMatch(/repairs +\d+ \(.*vxlan 1/);
    expect(await labExists(NAME)).toBe(false);
  });
});
