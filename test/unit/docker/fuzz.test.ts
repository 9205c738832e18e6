/** Requests of no engine: each ends in a clear error or in nothing worse, and the daemon serves on as before. */
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { TestCluster } from '../../support/control.ts';
import { FakeDockerd } from '../../support/fake-dockerd.ts';
import { startPlugin } from './plugin.ts';
import type { TestPlugin } from './plugin.ts';

const REQUESTS = 10_000;
/** as dockerd would at its busiest */
const AT_ONCE = 40;
/** of a client that never finishes: it hangs up then */
const PATIENCE = 100;
/** beyond what the tests' own buffers need */
const MEMORY = 400 << 20;

const METHODS = [
  ...['Plugin.Activate', 'NetworkDriver.GetCapabilities', 'IpamDriver.GetDefaultAddressSpaces'],
  ...['NetworkDriver.CreateNetwork', 'NetworkDriver.DeleteNetwork', 'NetworkDriver.CreateEndpoint'],
  ...['NetworkDriver.Join', 'NetworkDriver.Leave', 'NetworkDriver.DeleteEndpoint', 'NetworkDriver.EndpointOperInfo'],
  ...['NetworkDriver.ProgramExternalConnectivity', 'NetworkDriver.RevokeExternalConnectivity'],
  ...['NetworkDriver.AllocateNetwork', 'NetworkDriver.FreeNetwork', 'NetworkDriver.DiscoverNew'],
  ...['IpamDriver.RequestPool', 'IpamDriver.ReleasePool', 'IpamDriver.RequestAddress', 'IpamDriver.ReleaseAddress'],
];
const FIELDS = [
  ...['NetworkID', 'EndpointID', 'Interface', 'Options', 'IPv4Data', 'IPv6Data', 'SandboxKey', 'PoolID', 'Address'],
  ...['AddressSpace', 'Pool', 'SubPool', 'V6', 'Gateway', 'AuxAddresses', 'MacAddress', 'AddressIPv6', '__proto__'],
  ...['com.docker.network.generic', 'com.docker.network.portmap', 'com.docker.network.endpoint.macaddress'],
];

let cluster: TestCluster;
let plugin: TestPlugin;
let dockerd: FakeDockerd;
let poolId = '';
beforeEach(async () => {
  cluster = new TestCluster();
  const { control } = await cluster.node('host1');
  plugin = await startPlugin(control.engines);
  dockerd = new FakeDockerd({ socketPath: plugin.socketPath, version: 20 });
});
afterEach(async () => {
  await plugin.close();
  await cluster.close();
});

/** xorshift32: the same requests in every run. */
class Chance {
  #state: number;
  constructor(seed: number) {
    this.#state = seed;
  }
  below(n: number): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) % n;
  }
  of<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }
  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.below(256)));
  }
  text(): string {
    return this.of([
      '',
      ' ',
      '10.1.2.3/16',
      '10.1.0.0/16',
      'fd00::/64',
      'weft-local',
      'a'.repeat(64),
      '../../x',
      'null',
    ]);
  }
  /** JSON of no particular sense, with keys that mean something somewhere. */
  value(depth: number): unknown {
    const leaf = [this.text(), this.below(1e9), -1.5e300, true, null, this.bytes(8).toString('latin1'), '\u0000', 0];
    if (depth === 0 || this.below(3) === 0) return this.of(leaf);
    const inner = Array.from({ length: this.below(5) }, () => this.value(depth - 1));
    return this.below(3) === 0 ? inner : Object.fromEntries(inner.map((one) => [this.of(FIELDS), one]));
  }
}

const ID = 'a'.repeat(64);
const RIGHT: [string, Record<string, unknown>][] = [
  [
    'NetworkDriver.CreateNetwork',
    {
      NetworkID: ID,
      Options: { 'com.docker.network.generic': { tenant: 'acme', network: 'fuzz', mtu: '1400', routes: '' } },
      IPv4Data: [
        { AddressSpace: 'weft-local', Pool: '10.99.0.0/24', Gateway: '10.99.0.1/24', AuxAddresses: { a: '' } },
      ],
      IPv6Data: null,
    },
  ],
  [
    'NetworkDriver.CreateEndpoint',
    {
      NetworkID: ID,
      EndpointID: ID,
      Interface: { Address: '10.99.0.2/24', AddressIPv6: '', MacAddress: '' },
      Options: { 'com.docker.network.endpoint.macaddress': 'AhEiM0RV', 'weft.label.app': 'web' },
    },
  ],
  ['NetworkDriver.Join', { NetworkID: ID, EndpointID: ID, SandboxKey: '/x', Options: {} }],
  [
    'NetworkDriver.ProgramExternalConnectivity',
    {
      NetworkID: ID,
      EndpointID: ID,
      Options: { 'com.docker.network.portmap': [{ Proto: 6, Port: 80, HostPort: 8080 }] },
    },
  ],
  [
    'IpamDriver.RequestPool',
    { AddressSpace: 'weft-local', Pool: '10.99.0.0/24', SubPool: '', Options: { tenant: 'acme' }, V6: false },
  ],
  [
    'IpamDriver.RequestAddress',
    { PoolID: 'POOL', Address: '', Options: { 'com.docker.network.endpoint.name': 'web' } },
  ],
  ['IpamDriver.ReleaseAddress', { PoolID: 'POOL', Address: '10.99.0.2' }],
];

/** One thing in it, at any depth, is another. */
function spoiled(value: unknown, chance: Chance): unknown {
  const object = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  const names = Object.keys(object);
  if (names.length === 0 || chance.below(6) === 0) return chance.value(2);
  const name = chance.of(names);
  const inner = spoiled(object[name], chance);
  return Array.isArray(value) ? [inner] : { ...object, [name]: inner };
}

interface Request {
  kind: string;
  bytes: Buffer;
  /** `end`: half-closed after it. `hang`: left open, unfinished. `cut`: broken off. */
  then: 'wait' | 'end' | 'hang' | 'cut';
}

const whole = (method: string, body: Buffer | string, verb = 'POST') => {
  const head = `${verb} /${method} HTTP/1.1\r\nHost:\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head, 'latin1'), Buffer.from(body)]);
};

/** The rest of each hundred is JSON that no method expects. */
const KINDS: [number, string, (chance: Chance) => [Buffer | string, Request['then']]][] = [
  [10, 'bytes', (chance) => [chance.bytes(chance.below(400)), 'end']],
  [10, 'body of bytes', (chance) => [whole(chance.of(METHODS), chance.bytes(chance.below(2_000))), 'wait']],
  [
    10,
    'broken JSON',
    (chance) => {
      const text = JSON.stringify(chance.value(4) ?? null);
      return [whole(chance.of(METHODS), text.slice(0, chance.below(text.length + 1))), 'wait'];
    },
  ],
  [
    4,
    'deep nesting',
    (chance) => {
      const depth = 1 + chance.below(20_000);
      const [open, close] = chance.of([
        ['[', ']'],
        ['{"Options":', '}'],
      ] as const);
      return [whole(chance.of(METHODS), open.repeat(depth) + '1' + close.repeat(depth)), 'wait'];
    },
  ],
  [
    5,
    'unknown method',
    (chance) => [whole(`${chance.of(['NetworkDriver', 'Volume', '..', '%'])}.${chance.below(99)}`, '{}'), 'wait'],
  ],
  [
    5,
    'other verb',
    (chance) => [whole(chance.of(METHODS), '{}', chance.of(['GET', 'PUT', 'HEAD', 'OPTIONS', 'TRACE', 'BREW'])), 'end'],
  ],
  [
    4,
    'wrong length',
    (chance) => [
      `POST /${chance.of(METHODS)} HTTP/1.1\r\nContent-Length: ${chance.of(['-1', 'x', '1e9', '99'])}\r\n\r\n{}`,
      'end',
    ],
  ],
  [
    4,
    'wrong chunks',
    (chance) => [
      `POST /${chance.of(METHODS)} HTTP/1.1\r\nHost:\r\nTransfer-Encoding: chunked\r\n\r\n${chance.of(['zz', 'ffffffff', '2', '0'])}\r\n{}`,
      'end',
    ],
  ],
  [
    3,
    'no end of headers',
    (chance) => [`POST /${chance.of(METHODS)} HTTP/1.1\r\n${'X: y\r\n'.repeat(chance.below(4_000))}`, 'end'],
  ],
  [2, 'slow body', (chance) => [`POST /${chance.of(METHODS)} HTTP/1.1\r\nHost:\r\nContent-Length: 9\r\n\r\n{`, 'hang']],
  [
    20,
    'nearly right',
    (chance) => {
      const [method, body] = chance.of(RIGHT);
      const text = JSON.stringify(spoiled(body, chance) ?? null).replace('"POOL"', JSON.stringify(poolId));
      return [whole(method, text), 'wait'];
    },
  ],
  [3, 'cut off', (chance) => [whole(chance.of(METHODS), JSON.stringify(chance.value(3) ?? null)), 'cut']],
];
/** One of so many is beyond the limit of a body. */
const HUGE_EVERY = 200;

function request(chance: Chance, i: number): Request {
  if (i % HUGE_EVERY === 0) {
    const body = `{"Options":{"x":"${'x'.repeat(1 << 20)}"}}`;
    return { kind: 'huge', bytes: whole(chance.of(METHODS), body), then: 'wait' };
  }
  let at = chance.below(100);
  for (const [weight, kind, make] of KINDS) {
    at -= weight;
    if (at >= 0) continue;
    const [bytes, then] = make(chance);
    return { kind, bytes: Buffer.from(bytes), then };
  }
  return { kind: 'odd JSON', bytes: whole(chance.of(METHODS), JSON.stringify(chance.value(5) ?? null)), then: 'wait' };
}

/** What came back, '' where the peer hung up or we did. */
function send({ bytes, then }: Request): Promise<string> {
  return new Promise((resolve) => {
    const socket: Socket = connect(plugin.socketPath);
    let text = '';
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => (text += chunk));
    // a server that has answered need not read the rest
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(text));
    socket.setTimeout(then === 'hang' ? PATIENCE : 20_000, () => socket.destroy());
    socket.on('connect', () => {
      socket.write(bytes, () => {
        if (then === 'end') socket.end();
        if (then === 'cut') socket.destroy();
      });
    });
  });
}

/** An error under both keys, or the answer of a method that any request satisfies. */
function assertClear(kind: string, answer: string): void {
  const [head = '', body = ''] = answer.split('\r\n\r\n');
  expect(head, kind).toMatch(/^HTTP\/1\.1 \d{3} /);
  if (body === '') return expect(kind, answer).toBe('other verb');
  const read = JSON.parse(Buffer.from(body, 'latin1').toString()) as Record<string, unknown>;
  if (read.Err === undefined) return expect(head, kind).toContain(' 200 ');
  expect(read.Error).toBe(read.Err);
  expect(read.Err, kind).toMatch(/\(.*host1; [a-z-]+\)\. Next: ./s);
  expect(read.Err, kind).not.toMatch(/internal\)|at .*\.ts:/);
}

test('ten thousand of them', { timeout: 300_000 }, async () => {
  const chance = new Chance(0x77656674);
  const network = await dockerd.createNetwork({ name: 'web', v4: [{ cidr: '10.10.0.0/16' }] });
  poolId = network.v4[0]?.id ?? '';
  const before = process.memoryUsage().rss;
  const silent = new Map<string, number>();
  let next = 0;
  const client = async () => {
    while (next < REQUESTS) {
      const one = request(chance, next++);
      const answer = await send(one);
      if (answer === '') silent.set(one.kind, (silent.get(one.kind) ?? 0) + 1);
      else assertClear(one.kind, answer);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, client));
  // whoever waits for an answer gets one, but for a body that the server need not read to its end
  expect([...silent.keys()].filter((kind) => !['cut off', 'slow body', 'huge', 'bytes'].includes(kind))).toEqual([]);
  expect(process.memoryUsage().rss - before).toBeLessThan(MEMORY);
  await dockerd.run('one', ['web']);
  await dockerd.stop('one');
  await dockerd.removeNetwork('web');
  await dockerd.createNetwork({ name: 'after', v4: [{ cidr: '' }], v6: [{ cidr: '' }] });
  await dockerd.run('two', ['after']);
  expect(dockerd.complaints).toEqual([]);
});
