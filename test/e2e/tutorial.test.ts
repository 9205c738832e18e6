/** The README's tutorial, line by line as printed, in a lab of another name. */
import { readFileSync } from 'node:fs';
import { execa } from 'execa';
import { afterAll, describe, expect, it } from 'vitest';
import { labDown, labExists, openLab } from '../../src/lab/lab.ts';
import { run } from '../support/docker.ts';
import { until } from '../support/until.ts';

const NAME = `tour-${process.pid}`;
const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
const tutorial = readme.split('\n## Tutorial\n')[1]?.split('\n### ')[0] ?? '';
const lines = [...tutorial.matchAll(/^```\n(.*?)^```/gms)].flatMap((block) => (block[1] ?? '').trim().split('\n'));

/** What a reader sees after a moment, and looks for again until then. */
const LOOKS: [string, RegExp][] = [
  ['docker network ls', /acme\.web +weft/],
  [
    'weft endpoint ls -A --project',
    /acme\/shop\/docker-\S+ +10\.40\.0\.10\/16 +host1 +docker +shop_db_1[^]*shop_web_1|shop_web_1[^]*shop_db_1/,
  ],
  ['weft endpoint ls', /acme\/web\/docker-\S+ +10\.10\.0\.10\/16 +host1 +docker +db +ready/],
  ['weft status', /repairs +\d+ \(.*vxlan 1/],
];

afterAll(async () => {
  await labDown(NAME);
});

async function type(command: string): Promise<string> {
  const again = async () => (await execa('sh', ['-c', command], { timeout: 90_000, all: true })).all;
  const look = LOOKS.find(([part]) => command.includes(part))?.[1];
  let printed = await again();
  if (look === undefined) return printed;
  await until(async () => look.test(printed) || look.test((printed = await again())), {
    what: `${String(look)} from ${command}`,
    deadline: 30_000,
  });
  return printed;
}

/** In every engine: the reader takes longer than that to type the next line. */
async function settle(command: string): Promise<void> {
  const network = /weft network create (\S+)\/(\S+)/.exec(command);
  if (!network) return;
  const name = `${network[1] ?? ''}.${network[2] ?? ''}`;
  const { hosts } = await openLab(NAME);
  for (const host of hosts) {
    const list = () => run(host, 'docker', 'network', 'ls', '--format', '{{.Name}}');
    const there = async () => (await list()).split('\n').includes(name);
    await until(there, { what: `${name} in the engine of ${host.name}`, deadline: 30_000 });
  }
}

describe('the tutorial', () => {
  it('works as it is printed', async () => {
    // The set-up has run before any test.
    const commands = lines.filter((line) => line !== 'npm run setup').map((line) => line.replaceAll('tour', NAME));
    expect(commands.length).toBeGreaterThan(15);
    const printed: string[] = [];
    for (const command of commands) {
      printed.push(await type(command));
      await settle(command);
    }
    const of = (part: string) => printed[commands.findIndex((command) => command.includes(part))] ?? '';
    expect(of('weft node ls')).toMatch(/host1 +yes[^]*host2 +yes/);
    expect(of('ping -c 3')).toContain(' 0% packet loss');
    expect(of('wget -q')).toContain('10.40.0.10');
    expect(of('box true || true')).toMatch(/10\.10\.0\.10 of acme\/web is taken: endpoint "docker-\S+" on host1/);
    expect(of('network delete acme/web || true')).toMatch(
      /error network-in-use: acme\/web has container "db"[^]*next: /,
    );
    expect(of('explain error')).toContain('The network still has endpoints');
    expect(await labExists(NAME)).toBe(false);
  }, 600_000);
});
