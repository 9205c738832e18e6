/** What a later version wrote: today's weft keeps what it does not know when it writes back, and refuses what it would misread. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../../src/config.ts';
import { Housekeeping } from '../../../src/control/housekeeping.ts';
import { takeUse } from '../../../src/control/tokens.ts';
import { keys, prefixes } from '../../../src/model/keys.ts';
import type { Node } from '../../../src/model/objects.ts';
import { FrameWriter, MAGIC, frameAt, parsePayload } from '../../../src/store/journal/frame.ts';
import { MemoryStore } from '../../../src/store/memory.ts';
import { pictureFile } from '../../../src/store/picture/file.ts';
import { noTrust, TestCluster } from '../../support/control.ts';
import { JOURNAL, makeGoldenState, openGolden } from '../../support/golden-state.ts';
import type { GoldenState } from '../../support/golden-state.ts';
import { JournalDisk } from '../../support/journal-disk.ts';

type Control = Awaited<ReturnType<TestCluster['node']>>['control'];

let folder: string;
let made: GoldenState;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'weft-later-'));
  made = await makeGoldenState(folder);
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Said as a whole by users or engines, and replaced as a whole. */
const REPLACED = ['labels', 'container', 'problems', 'allow'];

/** As a later version would have written it: every object within has a field more. */
function asLater(value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item: unknown) => asLater(item));
  if (typeof value !== 'object' || value === null) return value;
  const known = Object.entries(value as Record<string, unknown>).map(([key, inner]) => [
    key,
    REPLACED.includes(key) ? inner : asLater(inner),
  ]);
  return { ...(Object.fromEntries(known) as object), later: { kept: true } };
}

/** How often it says `later`. */
const laterIn = (value: unknown) => JSON.stringify(value).split('"later"').length - 1;

/** host1 with its journal, as a later version left both and the cluster. */
async function downgraded() {
  const cluster = new TestCluster();
  const store = new MemoryStore(cluster.shared);
  const entries = [...made.entries, { key: 'later/1', value: { id: '1' } }];
  await store.transact({ compare: [], then: entries.map(({ key, value }) => ({ put: key, value: asLater(value) })) });
  const disk = new JournalDisk();
  const journal = await openGolden(disk, made.header);
  await journal.append(made.journal.map(([key, value]) => ({ put: key, value: asLater(value) }))).durable;
  journal.publishedUpTo(journal.sequence);
  const fence = { ...(asLater(recordOf('fence/')) as object), sequence: journal.sequence };
  await store.transact({ compare: [], then: [{ put: keys.fence(made.header.node), value: fence }] });
  const identity = { id: made.header.node, bootId: made.header.bootId, journal };
  const node = await cluster.node('host1', { identity });
  Object.assign(node.deps, { trust: { ...noTrust, isSecretOf: () => true } });
  return { cluster, shared: store, control: node.control, deps: node.deps };
}

function recordOf(prefix: string): unknown {
  return made.entries.find(({ key }) => key.startsWith(prefix) && key.includes(made.header.node))?.value;
}

const docker = { engine: 'docker' as const, engineId: 'aaaa', endpointId: 'e1' };
const problems = [{ name: 'x', reason: 'y', next: 'z' }];
const report = { engine: 'docker', state: 'connected', id: 'daemon', version: '28', liveRestore: true } as const;
const container = { id: 'c1', name: 'renamed', image: 'box', project: 'p' };

const CHANGES: [what: string, kinds: string[], change: (control: Control) => Promise<unknown>][] = [
  [
    'a network’s labels and reserved addresses',
    ['networks/'],
    (control) =>
      control.updateNetwork({
        ...{ ref: 'acme/web', revision: 0, labels: { team: 'sales' } },
        ...{ reserve: ['10.10.8.0/24'], unreserve: [] },
      }),
  ],
  [
    'a network’s subnets',
    ['networks/'],
    (control) => control.extendNetwork({ ref: 'acme/db', revision: 0, subnet: { cidr: '10.40.0.0/16' } }),
  ],
  ['who made a network', ['networks/'], (control) => control.adoptNetwork('acme/app')],
  [
    'an endpoint’s labels',
    ['endpoints/'],
    (control) => control.updateEndpoint({ ref: 'acme/web/a', revision: 0, labels: { app: 'z' } }),
  ],
  [
    'where an endpoint’s container is',
    ['endpoints/'],
    (control) => control.engines.joinEndpoint({ ...docker, sandbox: '/run/docker/netns/y' }),
  ],
  [
    'what an engine says of a container',
    ['labels/'],
    (control) => control.following.describe([{ container, labels: {}, endpoints: [docker] }]),
  ],
  ['what an engine is', ['engines/'], (control) => control.following.report({ ...report, problems })],
  [
    'a tenant’s way out',
    ['egress/'],
    (control) =>
      control.setEgress({
        ...{ tenant: 'acme', off: false, ipv6: 'nat', allow: [] },
        ...{ nodes: ['host1'], addresses: ['192.0.2.51'] },
      }),
  ],
  ['the end of an endpoint', ['addresses/'], (control) => control.engines.deleteEndpoint(docker)],
  ['a node that is forgotten', ['epochs/'], (control) => control.forgetNode({ ref: 'host2', force: true })],
];

describe('a field that a later version wrote', () => {
  it.each(CHANGES)('outlives a change of %s', async (_what, kinds, change) => {
    const { cluster, shared: store, control } = await downgraded();
    const all = async () => {
      await cluster.published();
      return new Map((await store.list('')).entries.map((entry) => [entry.key, entry]));
    };
    const before = await all();
    await change(control);
    const after = await all();
    let changed = 0;
    for (const [key, { value, revision }] of after) {
      const was = before.get(key);
      if (!was) continue;
      if (was.revision !== revision && kinds.some((kind) => key.startsWith(kind))) changed++;
      expect(laterIn(value), key).toBeGreaterThanOrEqual(laterIn(was.value));
    }
    expect(changed, 'records that were changed').toBeGreaterThan(0);
    expect(after.get('later/1')?.value).toEqual({ id: '1', later: { kept: true } });
    await cluster.close();
  });

  it('outlives a use of a token, the registration of its node, and rounds of housekeeping', async () => {
    const { cluster, shared: store, deps } = await downgraded();
    const { then } = takeUse(deps, { id: 'aaaaaaaaaa', isSecretOf: () => true });
    expect(then).toEqual([expect.objectContaining({ delete: keys.token('aaaaaaaaaa') })]);
    await new Housekeeping(deps).round(new AbortController().signal);
    const { entries } = await store.list(prefixes.nodes);
    const own = entries.find(({ key }) => key === keys.node(made.header.node))?.value as Node;
    expect([own.version, laterIn(own)]).toEqual(['0.0.0', laterIn(asLater(recordOf(prefixes.nodes)))]);
    for (const key of [keys.settings, keys.level, keys.restoration, 'later/1']) {
      expect(laterIn((await store.get(key)).entry?.value), key).toBeGreaterThan(0);
    }
    await cluster.close();
  });

  it('outlives a claim in a block that is another’s', async () => {
    const { cluster, shared: store, control } = await downgraded();
    const other = await cluster.node('host3');
    const web = await control.getNetwork('acme/web');
    const blocks = async () => (await store.list(prefixes.blocksOf(web.id))).entries;
    const before = await blocks();
    // in host1's block, which carves it out
    const asked = { network: 'acme/web', netns: '/run/netns/z' };
    const [first = ''] = (await control.attach(asked)).addresses[0]!.split('/');
    const near = `${first.slice(0, first.lastIndexOf('.'))}.200`;
    await other.control.attach({ ...asked, addresses: [near] });
    const after = await blocks();
    const changed = before.filter(({ key, revision }) => after.find((one) => one.key === key)?.revision !== revision);
    expect(changed.length).toBeGreaterThan(0);
    for (const { key, value } of before) {
      const now = after.find((one) => one.key === key)?.value;
      expect(laterIn(now), key).toBeGreaterThanOrEqual(laterIn(value));
    }
    await cluster.close();
  });
});

describe('a form that a later version brought', () => {
  it.each(['log', 'snapshot'])('of the journal (%s) is refused by name, and left as it is', async (kind) => {
    const disk = made.disk.copy();
    const path = disk
      .paths()
      .filter((one) => one.startsWith(`${JOURNAL}/${kind}-`))
      .at(-1)!;
    const content = Buffer.from(disk.content(path) ?? '');
    const first = frameAt(content, MAGIC.length)!;
    const frames = new FrameWriter(first.previous);
    frames.add(first.sequence, JSON.stringify({ ...(parsePayload(first.payload) as object), format: 2 }), first.back);
    const later = Buffer.concat([MAGIC, frames.take().bytes, content.subarray(first.end)]);
    disk.overwrite(path, later);
    await expect(openGolden(disk, made.header)).rejects.toMatchObject({
      code: 'state-newer',
      object: path,
      next: expect.stringContaining('install the version') as string,
    });
    expect(disk.content(path)).toEqual(later);
  });

  it('of the kept picture is not served from', async () => {
    const disk = new JournalDisk();
    const frames = new FrameWriter(0);
    frames.add(0, JSON.stringify({ format: 2, node: 'a', cluster: 'c', revision: 1 }));
    disk.overwrite('/p/picture', Buffer.concat([Buffer.from('weftpic1'), frames.take().bytes]));
    expect(await pictureFile('/p/picture', disk.files()).load()).toEqual({
      ok: false,
      reason: "its format 2 is another weft's",
    });
  });

  it('of the configuration is refused with the setting that is not known', async () => {
    const sources = { file: { path: '/nonexistent', required: false }, environment: {} };
    await expect(loadConfig({ ...sources, flags: { 'underlay.later': 'x' } })).rejects.toMatchObject({
      code: 'configuration-invalid',
      object: 'underlay.later',
    });
  });
});
