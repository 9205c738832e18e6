import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  createNamespace,
  deleteNamespace,
  monitorRoutes,
  NETLINK_ROUTE,
  NetlinkError,
  NetlinkSocket,
  openNamespace,
  readCounters,
  readSysctl,
  RouteSocket,
  writeSysctl,
} from '../../netlink-ts/index.ts';
import type { RouteEvent } from '../../netlink-ts/index.ts';
import { FOLDER, inNamespace, TestNamespaces } from './namespaces.ts';

const namespaces = new TestNamespaces();
let path: string;
beforeEach(() => {
  path = namespaces.make('socket');
});
afterEach(() => namespaces.removeAll());

/** NLMSG_NOOP without NLM_F_ACK: the kernel never answers it. */
const UNANSWERED = { type: 1, flags: 0, payload: Buffer.alloc(16) };
const openDescriptors = () => readdirSync('/proc/self/fd').length;

describe('a socket', () => {
  it('answers 2,000 requests at once, each its own', async () => {
    const rt = RouteSocket.open({ netns: path });
    await rt.links.create({ name: 'br0', kind: 'bridge', up: true });
    const bridge = await rt.links.get({ name: 'br0' });
    const made = Array.from({ length: 500 }, (_, i) =>
      rt.neighbours.replace({
        index: bridge?.index ?? 0,
        address: `10.0.${i >> 8}.${i & 255}`,
        mac: '02:00:00:00:00:01',
      }),
    );
    const read = Array.from({ length: 1_500 }, (_, i) => rt.links.get({ name: i % 2 ? 'lo' : 'none' }));
    await Promise.all(made);
    const links = await Promise.all(read);
    expect(links.map((link) => link?.name)).toEqual(links.map((_, i) => (i % 2 ? 'lo' : undefined)));
    const entries = await rt.neighbours.list({ index: bridge?.index ?? 0, family: 4 });
    expect(entries.filter(({ mac }) => mac === '02:00:00:00:00:01')).toHaveLength(500);
    rt.close();
  });

  it('serialises dumps that are asked for at once', async () => {
    const rt = RouteSocket.open({ netns: path });
    const dumps = await Promise.all(Array.from({ length: 20 }, () => rt.links.list()));
    for (const links of dumps) expect(links.map(({ name }) => name)).toEqual(['lo']);
    rt.close();
  });

  it('ends every request when it is closed, given up or late, and never says that it failed', async () => {
    const socket = NetlinkSocket.open({ protocol: NETLINK_ROUTE, netns: path });
    const late = socket.dump(UNANSWERED, { deadline: 20, op: 'late' });
    await expect(late).rejects.toMatchObject({ name: 'OutcomeUnknownError', op: 'late' });
    const stop = new AbortController();
    const given = socket.dump(UNANSWERED, { signal: stop.signal, op: 'given up' });
    stop.abort();
    await expect(given).rejects.toBeDefined();
    const open = socket.dump(UNANSWERED, { op: 'closed' });
    await Promise.resolve();
    socket.close();
    await expect(open).rejects.toMatchObject({ name: 'OutcomeUnknownError' });
    await expect(socket.dump(UNANSWERED)).rejects.toMatchObject({ name: 'OutcomeUnknownError' });
    socket.close();
  });

  it('leaks no descriptor over 10,000 openings, here, in a namespace and refused ones', async () => {
    RouteSocket.open({ netns: path }).close();
    const namespace = openNamespace(path);
    const before = openDescriptors();
    const turn = () => new Promise((resolve) => setImmediate(resolve));
    for (let round = 0; round < 20; round++) {
      for (const netns of [undefined, path, namespace.fd]) {
        const sockets = Array.from({ length: 100 }, () => RouteSocket.open({ netns }));
        for (const socket of sockets) socket.close();
        // Descriptors are closed in the next turn of the event loop.
        await turn();
      }
      let refused = 0;
      for (let i = 0; i < 200; i++) {
        // No namespace at all, one that is none, and a protocol that is none.
        const open = [
          () => RouteSocket.open({ netns: '/etc/hostname' }),
          () => RouteSocket.open({ netns: 0 }),
          () => NetlinkSocket.open({ protocol: 99, netns: path }),
          () => RouteSocket.open({ netns: `${path}-none` }),
        ][i % 4];
        try {
          open?.().close();
        } catch (error) {
          if (error instanceof NetlinkError) refused++;
        }
      }
      expect(refused).toBe(200);
    }
    await expect.poll(openDescriptors, { timeout: 5_000 }).toBeLessThanOrEqual(before);
    namespace.close();
  });

  it('works in four worker threads at once, which end cleanly with theirs open', async () => {
    const library = new URL('../../dist/index.js', import.meta.url).href;
    const script = `import('${library}').then(async ({ RouteSocket }) => {
      const rt = RouteSocket.open({ netns: '${path}' });
      for (let i = 0; i < 50; i++) await rt.links.list();
      require('node:worker_threads').parentPort.postMessage((await rt.links.list()).length);
      process.exit(0);
    })`;
    const workers = Array.from({ length: 4 }, () => {
      const worker = new Worker(script, { eval: true });
      const answer = new Promise((resolve) => worker.once('message', resolve));
      const exit = new Promise((resolve, reject) => worker.once('exit', resolve).once('error', reject));
      return Promise.all([answer, exit]);
    });
    expect(await Promise.all(workers)).toEqual(workers.map(() => [1, 0]));
  });
});

describe('a monitor', () => {
  async function collect(
    events: AsyncIterable<RouteEvent>,
    enough: (event: RouteEvent) => boolean,
  ): Promise<RouteEvent[]> {
    const seen: RouteEvent[] = [];
    for await (const event of events) {
      seen.push(event);
      if (enough(event)) break;
    }
    return seen;
  }

  it('tells of links and entries that come and go', async () => {
    const stop = new AbortController();
    const events = monitorRoutes({ netns: path, topics: ['links', 'neighbours'], signal: stop.signal });
    const first = events.next();
    for (const command of [
      'link add br0 type bridge',
      'link set br0 up',
      'neigh add 10.0.0.1 lladdr 02:00:00:00:00:01 dev br0',
      'neigh del 10.0.0.1 dev br0',
      'link del br0',
    ]) {
      inNamespace(path, 'ip', ...command.split(' '));
    }
    const seen = [
      (await first).value as RouteEvent,
      ...(await collect(
        events,
        (event) => event.kind === 'link' && event.change === 'delete' && event.link.name === 'br0',
      )),
    ];
    stop.abort();
    const told = seen.map((event) => `${event.kind} ${'change' in event ? event.change : ''}`);
    expect(told).toEqual(expect.arrayContaining(['link new', 'neighbour new', 'neighbour delete', 'link delete']));
  });

  it('says that it missed something when it was flooded, and goes on', async () => {
    const stop = new AbortController();
    const events = monitorRoutes({ netns: path, topics: ['neighbours'], signal: stop.signal });
    const first = events.next();
    inNamespace(path, 'ip', 'link', 'add', 'br0', 'up', 'type', 'bridge');
    const batch = Array.from(
      { length: 60_000 },
      (_, i) => `fdb replace 02:00:00:00:${(i >> 8).toString(16)}:${(i & 255).toString(16)} dev br0 self`,
    ).join('\n');
    const file = `${FOLDER}/${process.pid}-batch`;
    writeFileSync(file, batch);
    // Synchronous: nothing is read meanwhile, as if the daemon were busy.
    execFileSync('nsenter', [`--net=${path}`, 'bridge', '-force', '-batch', file], { stdio: 'ignore' });
    rmSync(file);
    const seen = [(await first).value as RouteEvent];
    if (seen[0]?.kind !== 'overrun') seen.push(...(await collect(events, (event) => event.kind === 'overrun')));
    expect(seen.at(-1)?.kind).toBe('overrun');
    stop.abort();
  });
});

describe('a namespace', () => {
  it('is made, opened, told apart and removed', () => {
    const file = `${FOLDER}/${process.pid}-made`;
    createNamespace(file);
    expect(() => createNamespace(file)).toThrow(/EEXIST/);
    const [one, other] = [openNamespace(file), openNamespace(path)];
    expect(one.inode).not.toBe(other.inode);
    one.close();
    other.close();
    expect(deleteNamespace(file)).toBe(true);
    expect(deleteNamespace(file)).toBe(false);
    writeFileSync(file, '');
    expect(() => openNamespace(file)).toThrow(/EINVAL/);
    expect(deleteNamespace(file)).toBe(true);
    expect(() => openNamespace(file)).toThrow(/ENOENT/);
    execFileSync('mkfifo', [file]);
    // Without a writer, an ordinary open of it would never return.
    expect(() => openNamespace(file)).toThrow(/EINVAL/);
    rmSync(file);
    mkdirSync(FOLDER, { recursive: true });
  });

  it('has settings of its own', () => {
    const namespace = openNamespace(path);
    const own = readSysctl(undefined, 'net/ipv4/ip_forward');
    writeSysctl(namespace, 'net/ipv4/ip_forward', own === '1' ? '0' : '1');
    expect(readSysctl(namespace, 'net/ipv4/ip_forward')).not.toBe(own);
    expect(readSysctl(undefined, 'net/ipv4/ip_forward')).toBe(own);
    expect(() => readSysctl(namespace, 'net/ipv4/nothing')).toThrow(/ENOENT/);
    const sent = /\nUdp: (\d.*)\n/.exec(readCounters(namespace, 'snmp'))?.[1]?.split(' ')[3];
    expect(sent).toBe('0');
    expect(readCounters(namespace, 'snmp6')).toMatch(/^Udp6InCsumErrors\s+0\n/m);
    expect(() => readCounters(namespace, 'nothing')).toThrow(/ENOENT/);
    expect(() => readCounters(namespace, '../status')).toThrow(RangeError);
    expect(() => readSysctl(namespace, 'net/../kernel/hostname')).toThrow(RangeError);
    namespace.close();
  });
});
