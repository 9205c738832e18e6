/**
 * netlink-ts beside `ip -batch` and the npm package `netlink`: the same objects made and read in a fresh namespace for each
 * run, counted afterwards by iproute2. Node's start is not measured, that of `ip` is: about 2 ms.
 */
import { performance } from 'node:perf_hooks';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inTurn, runsTable } from '../rounds.mjs';
import { address, GROUP } from './child.mjs';

const ROUNDS = 5;
const PEER = 'netlink@0.3.0';
const NAMESPACE = `bench-${process.pid}`;
const DEADLINE = 120_000;
/** A young generation so large that nothing is collected: what was allocated can be read off, and time is lost to it. */
const HEAP_FLAGS = ['--max-semi-space-size=256', '--min-semi-space-size=256'];

const lines = (count, line) => Array.from({ length: count }, (_, i) => line(i)).join('\n');
const neighbour = (i) => `neigh add ${address(i)} lladdr 02:00:00:00:00:01 nud permanent dev b0`;
const route = (i) => `route add ${address(i)}/32 dev b0`;

const TASKS = [
  { name: 'neighbours', title: 'neighbours added', count: 5_000, batch: (n) => lines(n, neighbour) },
  {
    name: 'addresses',
    title: 'addresses added',
    count: 1_000,
    batch: (n) => lines(n, (i) => `addr add ${address(i)}/32 dev b0`),
  },
  {
    name: 'links',
    title: 'bridges made',
    count: 200,
    batch: (n) => lines(n, (i) => `link add l${i} group ${GROUP} type bridge`),
  },
  { name: 'burst', title: 'neighbours added, all asked for at once', count: 2_000, batch: (n) => lines(n, neighbour) },
  {
    name: 'dump neighbours',
    title: 'neighbours read',
    count: 10_000,
    before: (n) => lines(n, neighbour),
    command: ['-4', '-j', 'neigh', 'show', 'dev', 'b0', 'nud', 'permanent'],
  },
  {
    name: 'dump routes',
    title: 'routes read',
    count: 10_000,
    before: (n) => lines(n, route),
    command: ['-4', '-j', 'route', 'show', 'table', 'all'],
  },
];

export async function* bench({ rounds = ROUNDS }) {
  const folder = mkdtempSync(join(tmpdir(), 'weft-bench-'));
  try {
    const missing = installPeer(folder);
    for (const task of TASKS) {
      const node = (script) => ({
        run: () => inFreshNamespace(task, () => runNode(script, task, folder)),
        heap: () => inFreshNamespace(task, () => runNode(script, task, folder, HEAP_FLAGS)).bytes,
      });
      const contestants = [
        { name: 'netlink-ts', ...node('ours.mjs') },
        { name: 'ip', run: () => inFreshNamespace(task, () => runIp(task)) },
        { name: PEER, ...node('peer.mjs'), ...(missing && { run: () => Promise.reject(new Error(missing)) }) },
      ];
      yield runsTable(`${task.count.toLocaleString('en')} ${task.title}`, {
        operations: task.count,
        results: await inTurn(contestants, rounds),
      });
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Into a folder of its own: it is no dependency of anything here. Says why it could not. */
function installPeer(folder) {
  writeFileSync(join(folder, 'package.json'), '{ "private": true }');
  const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--silent', PEER];
  const { status, stderr } = spawnSync('npm', args, { cwd: folder, encoding: 'utf8', timeout: DEADLINE });
  return status === 0 ? undefined : `npm could not install it: ${stderr.trim().split('\n').at(-1)}`;
}

function inFreshNamespace(task, run) {
  ip('netns', 'add', NAMESPACE);
  try {
    ip('-n', NAMESPACE, 'link', 'add', 'b0', 'up', 'type', 'bridge');
    if (task.before) batch(task.before(task.count));
    const result = run();
    check(task, result);
    return result;
  } finally {
    // One after the other and waited for: what a namespace leaves to the kernel's workers would hold up the next run.
    spawnSync('ip', ['-n', NAMESPACE, 'link', 'delete', 'group', String(GROUP)]);
    ip('-n', NAMESPACE, 'link', 'delete', 'b0');
    ip('netns', 'delete', NAMESPACE);
  }
}

/** That the work was done: what stands in the namespace, or how many a dump found. */
function check({ name, count }, { done }) {
  const counted = {
    neighbours: ['-4', 'neigh', 'show', 'dev', 'b0', 'nud', 'permanent'],
    burst: ['-4', 'neigh', 'show', 'dev', 'b0', 'nud', 'permanent'],
    addresses: ['-4', '-o', 'addr', 'show', 'dev', 'b0'],
    links: ['-o', 'link', 'show', 'type', 'bridge'],
  }[name];
  const found = counted
    ? ip('-n', NAMESPACE, ...counted)
        .split('\n')
        .filter((line) => /10\.\d+\.|^\d+: l\d/.test(line)).length
    : done;
  // A dump may hold a few that the kernel made itself.
  if (found < count || found > count + 20) throw new Error(`did ${found} of ${count}`);
}

function runIp({ count, batch: commands, command }) {
  const input = commands?.(count);
  const start = performance.now();
  if (input !== undefined) return { ...timed(start, batch(input)) };
  const found = JSON.parse(ip('-n', NAMESPACE, ...command)).length;
  return timed(start, found);
}

function timed(start, done) {
  return { milliseconds: performance.now() - start, done };
}

function batch(input) {
  execFileSync('ip', ['-n', NAMESPACE, '-batch', '-'], { input, stdio: ['pipe', 'pipe', 'pipe'], timeout: DEADLINE });
}

function ip(...args) {
  return execFileSync('ip', args, { encoding: 'utf8', maxBuffer: 64 << 20, timeout: DEADLINE });
}

function runNode(script, { name, count }, folder, flags = []) {
  const command = [process.execPath, '--expose-gc', ...flags, join(import.meta.dirname, script), name, String(count)];
  const env = { ...process.env, PEER_FOLDER: join(folder, 'package.json') };
  const options = { encoding: 'utf8', env, timeout: DEADLINE };
  const { status, signal, stdout, stderr } = spawnSync('ip', ['netns', 'exec', NAMESPACE, ...command], options);
  const why = /^\w*Error.*$/m.exec(stderr)?.[0] ?? `status ${status}`;
  if (status !== 0) throw new Error(`the process ended: ${signal ?? why}`);
  return JSON.parse(stdout);
}
