/** What the doc comments of sockets and monitors promise about when things begin and what an end means. */
import { execFileSync } from 'node:child_process';
import { setMaxListeners } from 'node:events';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { monitorRoutes, NETLINK_ROUTE, NetlinkSocket, RouteSocket } from '../../netlink-ts/index.ts';
import type { RouteEvent } from '../../netlink-ts/index.ts';
import { inNamespace, json, TestNamespaces } from './namespaces.ts';

const namespaces = new TestNamespaces();
let path: string;
beforeEach(() => {
  path = namespaces.make('promises');
});
afterEach(() => namespaces.removeAll());

const RTM_GETLINK = { type: 18, flags: 0, payload: Buffer.alloc(16) };

/** Runs what is due now, without a turn of the event loop in which an answer could be read. */
async function withoutReading(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

it('a monitor hears what happens before it is first read', async () => {
  const stop = new AbortController();
  const events = monitorRoutes({ netns: path, topics: ['links'], signal: stop.signal });
  inNamespace(path, 'ip', 'link', 'add', 'early', 'type', 'bridge');
  expect((await events.next()).value).toMatchObject({
    kind: 'link',
    change: 'new',
    link: { name: 'early', kind: 'bridge' },
  });
  stop.abort();
  expect(await events.next()).toMatchObject({ done: true });
});

it('a request that was sent and then given up has an unknown outcome', async () => {
  const socket = NetlinkSocket.open({ protocol: NETLINK_ROUTE, netns: path });
  const stop = new AbortController();
  const given = socket.dump(RTM_GETLINK, { signal: stop.signal, op: 'look' });
  await withoutReading();
  stop.abort();
  await expect(given).rejects.toMatchObject({ name: 'OutcomeUnknownError', op: 'look' });
  // The late answer is nobody's, and does not disturb the next request.
  expect(await socket.dump(RTM_GETLINK)).toHaveLength(1);
  socket.close();
});

it('a request that was given up while it waited its turn is never sent', async () => {
  const rt = RouteSocket.open({ netns: path });
  const stop = new AbortController();
  const others = Array.from({ length: 200 }, () => rt.links.get({ name: 'lo' }));
  const waiting = rt.links.create({ name: 'never', kind: 'bridge' }, { signal: stop.signal });
  stop.abort();
  await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
  await Promise.all(others);
  expect(json(path, 'ip', '-j', 'link').map((link) => link.ifname)).toEqual(['lo']);
  rt.close();
});

it('whoever waits behind others may give up at once, and the others keep their order', async () => {
  const socket = NetlinkSocket.open({ protocol: NETLINK_ROUTE, netns: path });
  // NLMSG_NOOP is never answered: the dumps behind it wait until its deadline.
  const blocking = socket.dump({ type: 1, flags: 0, payload: Buffer.alloc(16) }, { deadline: 2_000, op: 'blocking' });
  let blocked = true;
  const ended = expect(blocking)
    .rejects.toMatchObject({ op: 'blocking' })
    .then(() => {
      blocked = false;
    });
  const stop = new AbortController();
  const waiting = socket.dump(RTM_GETLINK, { signal: stop.signal });
  const behind = socket.dump(RTM_GETLINK, { deadline: 100 }).then((links) => ({ links, blocked }));
  stop.abort();
  await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
  expect(blocked).toBe(true);
  await ended;
  expect(await behind).toMatchObject({ blocked: false, links: [{ type: 16 }] });
  socket.close();
});

it('a place in the window is not lost to those who gave up', async () => {
  const rt = RouteSocket.open({ netns: path });
  const stop = new AbortController();
  setMaxListeners(0, stop.signal);
  const some = Array.from({ length: 200 }, (_, i) =>
    rt.links.get({ name: 'lo' }, i % 2 ? { signal: stop.signal } : {}).catch((error: unknown) => error),
  );
  await withoutReading();
  stop.abort();
  const ends = await Promise.all(some);
  expect(ends.filter((_, i) => i % 2 === 0)).toEqual(
    Array.from({ length: 100 }, () => expect.objectContaining({ name: 'lo' }) as unknown),
  );
  // As many as the window holds must still go at once.
  expect(await Promise.all(Array.from({ length: 64 }, () => rt.links.get({ name: 'lo' })))).toHaveLength(64);
  rt.close();
});

it('a chain of requests goes through without a turn of the event loop for each', async () => {
  const rt = RouteSocket.open({ netns: path });
  let [turns, done] = [0, false];
  const turn = () => {
    turns++;
    if (!done) setImmediate(turn);
  };
  setImmediate(turn);
  for (let i = 0; i < 20; i++) await rt.links.get({ name: 'lo' });
  done = true;
  // What else the process does delays an answer once, not twenty times.
  expect(turns).toBeLessThan(10);
  rt.close();
});

it('a closing socket ends what it was asked, sent or still waiting', async () => {
  const rt = RouteSocket.open({ netns: path });
  const asked = Array.from({ length: 100 }, () => rt.links.get({ name: 'lo' }));
  const ends = Promise.allSettled(asked);
  await withoutReading();
  rt.close();
  for (const end of await ends) {
    expect(end).toMatchObject({ status: 'rejected', reason: { name: 'OutcomeUnknownError' } });
  }
});

it('a monitor that was flooded says so, and hears what comes afterwards', async () => {
  const stop = new AbortController();
  const events = monitorRoutes({ netns: path, topics: ['links'], signal: stop.signal });
  // A link that is down would change without an event.
  const changes = Array.from({ length: 20_000 }, (_, i) => `link set dev lo alias a${i}`);
  const lines = ['link set dev lo up', ...changes].join('\n');
  // Synchronous: nothing is read meanwhile, as when the process is busy.
  execFileSync('nsenter', [`--net=${path}`, 'ip', '-batch', '-'], { input: lines, stdio: ['pipe', 'ignore', 'pipe'] });
  const until = async (enough: (event: RouteEvent) => boolean): Promise<RouteEvent> => {
    for (;;) {
      const next = await events.next();
      if (next.done === true) throw new Error('the monitor ended');
      if (enough(next.value)) return next.value;
    }
  };
  // What happens while the kernel still drops is heard, or there is another overrun after it: never silence.
  await until((event) => event.kind === 'overrun');
  inNamespace(path, 'ip', 'link', 'add', 'meanwhile', 'type', 'bridge');
  await until((event) => event.kind === 'overrun' || isLink(event, 'meanwhile'));
  inNamespace(path, 'ip', 'link', 'add', 'later', 'type', 'bridge');
  expect(await until((event) => event.kind === 'overrun' || isLink(event, 'later'))).toMatchObject({ kind: 'link' });
  stop.abort();
});

function isLink(event: RouteEvent, name: string): boolean {
  return event.kind === 'link' && event.link.name === name;
}
