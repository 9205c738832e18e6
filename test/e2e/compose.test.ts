/** The worked examples of topology/, each README line by line as printed, from its own folder, in one lab. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { labDown, labUp } from '../../src/lab/lab.ts';
import type { Lab, LabHost } from '../../src/lab/lab.ts';
import { json, leftovers, run } from '../support/docker.ts';
import { until } from '../support/until.ts';
import { fits, stepsOf } from '../support/walkthrough.ts';
import type { Step } from '../support/walkthrough.ts';

const LAB = `compose-${process.pid}`;
const TOPOLOGY = fileURLToPath(new URL('../../topology', import.meta.url));
const EXAMPLES = readdirSync(TOPOLOGY).filter((name) => name.startsWith('compose-'));
let lab: Lab;

beforeAll(async () => {
  lab = await labUp({ name: LAB, hosts: 3 });
});
afterAll(() => labDown(LAB));

async function type(host: LabHost, folder: string, line: string): Promise<string> {
  const { exitCode, stdout, stderr } = await host.exec(['sh', '-c', `cd "$0" && ${line}`, folder]);
  expect(exitCode, `${host.name}: ${line}: ${stdout}${stderr}`).toBe(0);
  const made = /^weft network create (\S+)\/(\S+)/.exec(line);
  if (made) await inEveryEngine(`${made[1] ?? ''}.${made[2] ?? ''}`);
  return stdout + stderr;
}

async function take(step: Step, folder: string): Promise<void> {
  await Promise.all(step.hosts.map((name) => takeOn(lab.host(name), step, folder)));
}

async function takeOn(host: LabHost, { commands, shown }: Step, folder: string): Promise<void> {
  const outputs: string[] = [];
  for (const line of commands) outputs.push(await type(host, folder, line));
  const last = commands.at(-1) ?? '';
  const asShown = () => fits(shown, outputs.join(''));
  // a container's name comes with its engine's event, a moment after the container
  const again = last.startsWith('weft endpoint ls');
  const what = () => `"${shown.join('\n')}" in what ${host.name} shows:\n${outputs.join('')}`;
  if (!again) expect(asShown(), what()).toBe(true);
  await until(
    async () => {
      if (asShown()) return true;
      outputs.splice(-1, 1, await type(host, folder, last));
      return false;
    },
    { what: what(), deadline: 20_000, every: 200 },
  );
}

const dockerNetworks = (host: LabHost) =>
  run(host, 'docker', 'network', 'ls', '--filter', 'driver=weft', '--format', '{{.Name}}');

async function inEveryEngine(name: string): Promise<void> {
  const there = async (host: LabHost) => (await dockerNetworks(host)).split('\n').includes(name);
  await until(async () => (await Promise.all(lab.hosts.map(there))).every(Boolean), { what: `${name} in the engines` });
}

describe('a compose example', () => {
  test('stands in the list of examples', () => {
    const list = readFileSync(`${TOPOLOGY}/README.md`, 'utf8');
    expect([...list.matchAll(/^\| \[(compose-[a-z-]+)\]\(\1\)/gm)].map(([, name]) => name).sort()).toEqual(
      EXAMPLES.sort(),
    );
  });

  test.each(EXAMPLES)('works as it is printed, and leaves nothing: %s', async (example) => {
    const folder = `${TOPOLOGY}/${example}`;
    const steps = stepsOf(readFileSync(`${folder}/README.md`, 'utf8'));
    expect(steps.length).toBeGreaterThan(3);
    for (const step of steps) await take(step, folder);

    for (const kind of ['endpoint', 'network', 'tenant']) {
      const all = kind === 'tenant' ? [] : ['-A'];
      expect(await json(lab.host(1), 'weft', kind, 'ls', ...all), `${kind}s after ${example}`).toEqual([]);
    }
    for (const host of lab.hosts) {
      expect(await run(host, 'docker', 'ps', '-aq')).toBe('');
      await until(async () => (await dockerNetworks(host)) === '', { what: `the networks to leave ${host.name}` });
      await until(async () => (await leftovers(host)).length === 0, {
        what: `nothing of weft to stand on ${host.name}`,
      });
    }
  });
});
