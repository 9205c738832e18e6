/** A loaded program as a filter whose word is final: by a descriptor, which only the process that holds it can name. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it } from 'vitest';
import { openNamespace, RouteSocket, writeSysctl } from '../../netlink-ts/index.ts';
import { json, TestNamespaces } from './namespaces.ts';

const PACKAGE = fileURLToPath(new URL('../..', import.meta.url));
const DEADLINE = 30_000;
const UNSUPPORTED = 77;
const namespaces = new TestNamespaces();
const folder = mkdtempSync(join(tmpdir(), 'netlink-ts-program-'));
afterEach(() => {
  namespaces.removeAll();
  rmSync(folder, { recursive: true });
});

const beside = (name: string) => join(PACKAGE, 'test', 'kernel', name);

function compile(): string | undefined {
  const program = join(folder, 'traffic-program');
  const { status } = spawnSync(process.env['CC'] ?? 'cc', ['-o', program, beside('traffic-program.c')]);
  return status === 0 ? program : undefined;
}

it('drops what it says, and is read as tc reads it', async ({ skip }) => {
  const program = compile();
  skip(program === undefined, 'no compiler with the headers of eBPF');
  const path = namespaces.make('program');
  const namespace = openNamespace(path);
  writeSysctl(namespace, 'net/ipv6/conf/all/disable_ipv6', '1');
  namespace.close();
  const rt = RouteSocket.open({ netns: path });
  try {
    await rt.links.create({ name: 'in', kind: 'veth', up: true, peer: { name: 'out' } });
    const [into, out] = [await rt.links.get({ name: 'in' }), await rt.links.get({ name: 'out' })];
    await rt.links.set({ index: out!.index, up: true });
    await rt.qdiscs.add({ index: into!.index, kind: 'clsact' });
    const library = join(PACKAGE, 'dist', 'index.js');
    const args = [process.execPath, beside('traffic-driver.mjs'), library, path, String(into!.index)];
    const { status, stderr } = spawnSync(program!, args, { encoding: 'utf8', timeout: DEADLINE });
    skip(status === UNSUPPORTED, `eBPF programs cannot be loaded here: ${stderr.trim()}`);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });

    const [found] = await rt.filters.list({ index: into!.index, parent: 'ingress' });
    expect(found).toMatchObject({ priority: 1, bpf: { name: 'drop.o:[all]', directAction: true, actions: [] } });
    const theirs = json(path, 'tc', '-j', 'filter', 'show', 'dev', 'in', 'ingress').find((one) => 'options' in one);
    expect(theirs?.options).toMatchObject({
      bpf_name: 'drop.o:[all]',
      'direct-action': true,
      prog: { id: found?.bpf?.id, tag: found?.bpf?.tag },
    });

    await rt.addresses.add({ index: out!.index, address: '10.1.0.1', prefix: 16 });
    await rt.neighbours.add({ index: out!.index, address: '10.1.0.2', mac: '02:00:00:00:00:02' });
    spawnSync('nsenter', [`--net=${path}`, 'ping', '-q', '-c', '3', '-i', '0.01', '-W', '0.1', '10.1.0.2']);
    const hook = (await rt.qdiscs.list({ index: into!.index })).find(({ kind }) => kind === 'clsact');
    expect(hook?.statistics).toMatchObject({ packets: 3n, drops: 3 });
  } finally {
    rt.close();
  }
});
