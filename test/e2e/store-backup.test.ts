/** A cluster's etcd is copied while it works, and brought back to the copy. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StoreStatus } from '../../src/cli/store-status.ts';
import type { NetworkView, StatusView } from '../../src/control/port.ts';
import { labUp } from '../../src/lab/lab.ts';
import type { Lab, LabHost } from '../../src/lab/lab.ts';
import { json, run } from '../support/docker.ts';
import { until } from '../support/until.ts';

const COPY = '/var/lib/weft/copy.db';

let lab: Lab;
let first: LabHost;
let second: LabHost;

beforeAll(async () => {
  lab = await labUp({ name: `backup-${process.pid}`, hosts: 2, engine: 'none' });
  [first, second] = [lab.host(1), lab.host(2)];
  await run(first, 'weft', 'tenant', 'create', 'acme');
});

afterAll(async () => {
  await lab.down();
});

const networks = async (host: LabHost) =>
  (await json<NetworkView[]>(host, 'weft', 'network', 'ls', '-A')).map(({ name }) => name).sort();
const conditions = async (host: LabHost) =>
  (await json<StatusView>(host, 'weft', 'status')).conditions.map(({ type }) => type);
/** Exit code and the error's code. */
const refusal = async (host: LabHost, ...command: string[]) => {
  const { exitCode, stderr } = await host.exec([...command, '-o', 'json']);
  return [exitCode, (JSON.parse(stderr) as { code: string }).code];
};

describe('the store of a cluster', () => {
  it('is shown with its members, its space and its newest backup, on every host', async () => {
    await run(first, 'weft', 'network', 'create', 'acme/web', '--subnet', '10.10.0.0/16');
    const backups = async () => (await run(first, 'ls', '/var/lib/weft/backups')).endsWith('.db');
    await until(backups, { what: 'the first backup', deadline: 30_000 });
    const status = await json<StoreStatus>(first, 'weft', 'store', 'status');
    expect(status).toMatchObject({
      ...{ mode: 'managed', alarms: [], quota: 2 * 1024 ** 3 },
      members: [{ name: 'host1', state: 'ok', leader: true, endpoint: `https://${first.vtep}:2379` }],
      backup: { path: expect.stringMatching(/^\/var\/lib\/weft\/backups\/etcd-\d{8}T\d{6}Z\.db$/) as string },
    });
    expect(status.members[0]?.dbSize).toBeGreaterThan(0);
    expect(await json<StoreStatus>(second, 'weft', 'store', 'status')).toMatchObject({
      ...{ mode: 'external', clusterId: status.clusterId, quota: null, backup: null },
    });
    expect(await run(first, 'weft', 'store', 'status')).toMatch(/^host1 +ok +yes /m);
  });

  it('is copied from any host, for root alone to read', async () => {
    for (const host of [first, second]) {
      const { bytes } = await json<{ bytes: number }>(host, 'weft', 'store', 'snapshot', COPY);
      expect(await run(host, 'stat', '-c', '%a %s', COPY)).toBe(`600 ${bytes}`);
    }
  });

  it('is not restored under a weftd that runs, from a bad file, without a yes, or where it is not managed', async () => {
    const restore = ['weft', 'store', 'restore', COPY];
    expect(await refusal(first, ...restore, '--yes')).toEqual([4, 'restore-refused']);
    expect(await refusal(second, ...restore, '--yes')).toEqual([4, 'restore-refused']);
    await run(first, 'weft', 'network', 'create', 'acme/later', '--subnet', '10.11.0.0/16');
    await first.kill('weftd');
    expect(await refusal(first, ...restore)).toEqual([2, 'invalid-argument']);
    await run(first, 'sh', '-c', `head -c 16416 ${COPY} >${COPY}.cut`);
    expect(await refusal(first, 'weft', 'store', 'restore', `${COPY}.cut`, '--yes')).toEqual([1, 'snapshot-invalid']);
    // etcd goes on: the other host works as before, and so does this command
    expect(await networks(second)).toEqual(['later', 'web']);
    expect(await json<StoreStatus>(first, 'weft', 'store', 'status')).toMatchObject({ alarms: [] });
  });

  it('is restored, keeps what it held before, and every host says that it was restored', async () => {
    const before = await json<StoreStatus>(first, 'weft', 'store', 'status');
    const restored = await json<{ kept: string }>(first, 'weft', 'store', 'restore', COPY, '--yes');
    expect(await run(first, 'ls', restored.kept)).toBe('member');
    await first.start('weftd');
    await until(async () => (await networks(second).catch(() => [])).join() === 'web', {
      what: 'the other host to see what was restored',
      deadline: 60_000,
    });
    expect(await networks(first)).toEqual(['web']);
    for (const host of [first, second]) expect(await conditions(host)).toContain('store-restored');
    const after = await json<StoreStatus>(first, 'weft', 'store', 'status');
    expect(after.clusterId).not.toBe(before.clusterId);
    expect(await refusal(second, 'weft', 'network', 'create', 'acme/again')).toEqual([5, 'node-fenced']);
    await until(async () => (await second.exec(['weft', 'store', 'resume'])).exitCode === 0, {
      what: 'all hosts to have written again what they own',
      deadline: 60_000,
    });
    await until(
      async () =>
        (await Promise.all([first, second].map(conditions))).every((types) => !types.includes('store-restored')),
      { what: 'both hosts to go on', deadline: 60_000 },
    );
    await run(second, 'weft', 'network', 'create', 'acme/again', '--subnet', '10.11.0.0/16');
    expect(await networks(first)).toEqual(['again', 'web']);
  });

  it('leaves its words where the lab looks for them', async () => {
    expect(await first.logs('etcd')).toContain('"level":"warn"');
  });
});
