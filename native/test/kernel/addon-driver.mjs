/**
 * Exercises the addon below the types, right and wrong, for the sanitizers to watch (addon-sanitize.test.ts runs it).
 * Arguments: the addon, the library built on it, a namespace's file, the path for another.
 */
/* global AbortController, setImmediate */
import assert from 'node:assert/strict';
import { closeSync, openSync, readdirSync, unlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';

const [addonPath, library, netns, other] = process.argv.slice(2);
const addon = createRequire(import.meta.url)(addonPath);
const { createNamespace, deleteNamespace, monitorRoutes, NetlinkSocket, readSysctl, RouteSocket } = await import(
  library
);

const ROUTE = 0;
const ignore = () => undefined;
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Every function with arguments of every wrong kind: an exception each, never anything else. */
function garbageArguments() {
  const long = 'x'.repeat(10_000);
  const wrong = [undefined, null, 7, -1, 2 ** 31, NaN, 'text', long, {}, [], Symbol('s'), 10n, Buffer.alloc(3), ignore];
  for (const [name, call] of Object.entries(addon)) {
    for (const value of wrong) {
      // A number is a descriptor, and might be one of Node's own.
      if (['closeDescriptor', 'open', 'lock'].includes(name) && typeof value === 'number') continue;
      try {
        call(value);
        call(value, value, value);
      } catch (error) {
        assert.ok(error instanceof Error, name);
      }
    }
    assert.throws(() => call(), name);
  }
}

function refusals() {
  assert.throws(() => addon.open(99, -1, ignore), { errno: 93 });
  assert.throws(() => addon.open(ROUTE, 0, ignore), { errno: 22 });
  assert.throws(() => addon.open(ROUTE, 9_999, ignore), { errno: 9 });
  assert.throws(() => addon.open(ROUTE, -1, 'no function'));
  assert.throws(() => addon.openNamespace('/proc/self/ns/uts'), { errno: 22 });
  assert.throws(() => addon.closeDescriptor(9_999), { errno: 9 });
  assert.throws(() => addon.unmountNamespace('/nowhere'), { errno: 2 });
  assert.throws(() => addon.notify('/nowhere', 'READY=1'), { errno: 2 });
  assert.throws(() => addon.lock(9_999), { errno: 9 });
  assert.throws(() => addon.bindPort(9_999, 6, '127.0.0.1', 9, 0), { errno: 9 });
  assert.throws(() => addon.bindPort(-1, 6, '192.0.2.300', 9, 0), { errno: 22 });
  assert.throws(() => addon.bindPort(-1, 6, 'x'.repeat(10_000), 9, 0));
  assert.throws(() => addon.bindPort(-1, 6, '240.0.0.1', 9, 0), { errno: 99 });
  assert.throws(() => addon.sendFrame(9_999, 1, Buffer.alloc(60)), { errno: 9 });
  assert.throws(() => addon.sendFrame(-1, 1 << 30, Buffer.alloc(60)), { errno: 6 });
  assert.throws(() => addon.sendFrame(-1, 1, Buffer.alloc(5_000)), { errno: 90 });
  assert.throws(() => addon.readOption(9_999, 2, 0, 64, Buffer.alloc(84)), { errno: 9 });
  assert.throws(() => addon.readOption(-1, 99, 0, 64, Buffer.alloc(84)), { errno: 97 });
  assert.throws(() => addon.readOption(-1, 2, 0, 64, 'no buffer'));
  for (const length of [0, 83, 85, 5_000]) {
    assert.throws(() => addon.readOption(-1, 2, 0, 64, Buffer.alloc(length)), { syscall: 'getsockopt' });
  }
  const socket = addon.open(ROUTE, -1, ignore);
  assert.throws(() => addon.join(socket, 100_000), { errno: 22 });
  assert.throws(() => addon.send(socket, Buffer.alloc(64 << 20)), { errno: 90 });
  addon.close(socket);
  for (const call of [
    addon.close,
    (closed) => addon.send(closed, Buffer.alloc(16)),
    (closed) => addon.join(closed, 1),
  ]) {
    assert.throws(() => call(socket), { errno: 9 });
  }
}

/** Bytes that are no requests: the kernel ignores or refuses them, and every answer is one that fits. */
async function garbageMessages() {
  let answers = 0;
  const socket = addon.open(ROUTE, -1, (datagram, errno) => {
    if (datagram) assert.ok(datagram.length >= 16);
    else assert.equal(errno, 105);
    answers++;
  });
  let state = 1;
  for (let i = 0; i < 2_000; i++) {
    const bytes = Buffer.alloc(1 + (i % 100));
    for (let at = 0; at < bytes.length; at++) bytes[at] = (state = (state * 1_103_515_245 + 12_345) & 0x7fffffff) >> 16;
    if (bytes.length >= 16) {
      bytes.writeUInt32LE(bytes.length, 0);
      // Requests that read: what they would change is this machine's.
      bytes.writeUInt16LE(18 + 4 * (i % 5), 4);
      bytes.writeUInt16LE(5, 6);
    }
    addon.send(socket, bytes);
    if (i % 20 === 0) await turn();
  }
  addon.close(socket);
  assert.ok(answers > 0);
}

async function throughTheLibrary() {
  createNamespace(other);
  assert.equal(deleteNamespace(other), true);
  assert.match(readSysctl(undefined, 'net/ipv4/ip_forward'), /^[01]$/);
  const stop = new AbortController();
  const events = monitorRoutes({ netns, topics: ['links', 'neighbours'], signal: stop.signal });
  const rt = RouteSocket.open({ netns });
  await rt.links.create({ name: 'br0', kind: 'bridge', up: true });
  const { index } = await rt.links.get({ name: 'br0' });
  const neighbours = Array.from({ length: 500 }, (_, i) => ({
    index,
    address: `10.0.${i >> 8}.${i & 255}`,
    mac: '02:00:00:00:00:01',
  }));
  await Promise.all(neighbours.map((neighbour) => rt.neighbours.replace(neighbour)));
  const found = await rt.neighbours.list({ index, family: 4 });
  assert.equal(found.filter(({ mac }) => mac === neighbours[0].mac).length, 500);
  await assert.rejects(rt.links.create({ name: 'br0', kind: 'bridge' }), { code: 'EEXIST' });
  const asked = Promise.allSettled(neighbours.map((neighbour) => rt.neighbours.replace(neighbour)));
  await Promise.resolve();
  rt.close();
  assert.ok((await asked).every(({ status }) => status === 'rejected'));
  assert.equal((await events.next()).done, false);
  stop.abort();
}

/** A socket that is closed by its own listener, a listener that throws, and sockets that nobody closes. */
async function ends() {
  const RTM_GETLINK = Buffer.alloc(32);
  RTM_GETLINK.writeUInt32LE(32, 0);
  RTM_GETLINK.writeUInt16LE(18, 4);
  RTM_GETLINK.writeUInt16LE(0x301, 6);
  await new Promise((resolve) => {
    const socket = addon.open(ROUTE, -1, () => {
      addon.close(socket);
      resolve();
    });
    addon.send(socket, RTM_GETLINK);
  });
  const thrown = new Promise((resolve) => process.once('uncaughtException', resolve));
  const throwing = addon.open(ROUTE, -1, () => {
    addon.close(throwing);
    throw new Error('from the listener');
  });
  addon.send(throwing, RTM_GETLINK);
  assert.equal((await thrown).message, 'from the listener');
  for (let i = 0; i < 50; i++) NetlinkSocket.open({ protocol: ROUTE });
}

async function workers() {
  const script = `import('${library}').then(async ({ RouteSocket, monitorRoutes }) => {
    const { signal } = new AbortController();
    monitorRoutes({ netns: '${netns}', topics: ['links'], signal });
    const rt = RouteSocket.open({ netns: '${netns}' });
    for (let i = 0; i < 20; i++) await rt.links.list();
    rt.links.list().catch(() => undefined);
    process.exit(0);
  })`;
  const ended = Array.from({ length: 4 }, () => {
    const worker = new Worker(script, { eval: true });
    return new Promise((resolve, reject) => worker.once('exit', resolve).once('error', reject));
  });
  assert.deepEqual(await Promise.all(ended), [0, 0, 0, 0]);
}

function opensAndCloses() {
  const before = readdirSync('/proc/self/fd').length;
  for (let i = 0; i < 300; i++) RouteSocket.open({ netns }).close();
  const space = addon.openNamespace(netns);
  for (let i = 0; i < 300; i++) addon.closeDescriptor(addon.bindPort(space, i % 2 ? 6 : 17, '0.0.0.0', 9, 0));
  addon.closeDescriptor(space);
  closeSync(openSync(other, 'w'));
  for (let i = 0; i < 300; i++) assert.throws(() => RouteSocket.open({ netns: other }), { code: 'EINVAL' });
  unlinkSync(other);
  return before;
}

garbageArguments();
refusals();
const descriptors = opensAndCloses();
await garbageMessages();
await throughTheLibrary();
await turn();
assert.ok(readdirSync('/proc/self/fd').length <= descriptors);
await ends();
await workers();
globalThis.gc?.();
console.log('done');
