/** A thousand endpoints that come and go (twenty thousand in the long run): weftd and its host end as they began. */
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { labDown, labUp } from '../../../src/lab/lab.ts';
import type { Lab, LabHost } from '../../../src/lab/lab.ts';
import { run } from '../../support/docker.ts';
import { standing } from '../../support/standing.ts';
import { until } from '../../support/until.ts';
import { findings } from '../invariants.ts';

const LAB = `soak-${process.pid}`;
const CYCLES = process.env.WEFT_LONG === undefined ? 1_000 : 20_000;
const WIDTH = 8;
/** What caches and compiled code may come to; a leak of 20 KB a cycle would be more, in the long run one of 1 KB. */
const MAY_GROW = 20e6;
const programs = Object.fromEntries(
  ['cycles', 'collect'].map((name) => [name, fileURLToPath(new URL(`${name}.mjs`, import.meta.url))]),
) as Record<'cycles' | 'collect', string>;
let lab: Lab;
let host: LabHost;

beforeAll(async () => {
  lab = await labUp({ name: LAB, hosts: 1, engine: 'none' });
  host = lab.host(1);
  await run(host, 'ip', 'netns', 'add', 'soak');
  await run(host, 'weft', 'tenant', 'create', 'acme');
  await run(host, 'weft', 'network', 'create', 'acme/web', '--subnet', '10.7.0.0/16');
  // the tenant's namespace and the network's devices stay for this one
  await run(host, 'weft', 'endpoint', 'attach', 'acme/web', '--netns', '/run/netns/soak', '--name', 'stays');
  await run(host, 'sh', '-c', 'kill -USR1 "$(cat /run/weft-lab/weftd.pid)"');
});
afterAll(() => labDown(LAB));

/** What must not grow, by name. */
async function counts(): Promise<Record<string, string | number>> {
  const tenant = 'nsenter --net=/run/weft/netns/acme';
  const questions = {
    descriptors:
      'for f in /proc/$(cat /run/weft-lab/weftd.pid)/fd/*; do readlink $f | sed "s/[0-9]\\+//g"; done | sort | uniq -c',
    namespaces: 'ls /run/weft/netns',
    links: `ip -br link | wc -l; ${tenant} ip -br link | wc -l; nsenter --net=/run/netns/soak ip -br link | wc -l`,
    neighbours: `${tenant} ip neigh show nud permanent | wc -l; ${tenant} bridge fdb | wc -l`,
  };
  const answers = Object.entries(questions).map(async ([name, script]) => [name, await run(host, 'sh', '-c', script)]);
  const rulesets = [[], tenant.split(' ')].map((inside) => run(host, ...inside, 'nft', '-j', 'list', 'ruleset'));
  const rules = (await Promise.all(rulesets)).map(objectsOf).join();
  return { ...(Object.fromEntries(await Promise.all(answers)) as Record<string, string>), rules };
}

/** Tables, chains, sets, rules and elements; not those that packets make, which have their time. */
function objectsOf(ruleset: string): number {
  const { nftables } = JSON.parse(ruleset) as { nftables: { set?: { flags?: string[]; elem?: unknown[] } }[] };
  const elements = nftables.map(({ set }) => (set?.flags?.includes('timeout') ? 0 : (set?.elem?.length ?? 0)));
  return elements.reduce((sum, count) => sum + count, nftables.length);
}

const used = async () => Number(await run(host, 'node', programs.collect));

async function cycles(count: number): Promise<void> {
  const { exitCode, stderr } = await host.exec(['node', programs.cycles, String(count), String(WIDTH)], {
    timeout: 7_200_000,
  });
  expect(exitCode, stderr).toBe(0);
}

test(`${CYCLES} endpoints come and go`, { timeout: 10_800_000 }, async () => {
  await cycles(WIDTH);
  const before = { standing: await standing(lab), counts: await counts() };
  // code that is compiled at the first uses is no leak
  await cycles(200);
  const bytes = await used();
  await cycles(CYCLES);
  let now = before.counts;
  // addresses rest for 30 s, and their blocks go back after that
  await until(async () => JSON.stringify((now = await counts())) === JSON.stringify(before.counts), {
    what: 'all to be as it was',
    deadline: 180_000,
    every: 1_000,
  }).catch(() => undefined);
  expect(now).toEqual(before.counts);
  expect(await standing(lab)).toEqual(before.standing);
  expect(await findings(host)).toEqual([]);
  expect((await used()) - bytes).toBeLessThan(MAY_GROW);
});
