/** A new host joins with one command; what it shows is asked for everywhere, renewed while in use, and refused once it is forgotten. */
import { rm, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadApi } from '../../src/api/definition.ts';
import { labDown, labUp } from '../../src/lab/lab.ts';
import type { ExecResult, Lab } from '../../src/lab/lab.ts';
import { until } from '../support/until.ts';

const LAB = `join-${process.pid}`;
const PKI = '/var/lib/weft/pki';
const CONFIG = '/etc/weft/weft.yaml';
let lab: Lab;

beforeAll(async () => {
  lab = await labUp({ name: LAB, hosts: 2, engine: 'none' });
  // host2 becomes a host that was never of the cluster
  await lab.host(2).kill('weftd');
  await weft(1, 'node', 'forget', 'host2', '--force');
  await run(2, 'rm', '-r', PKI);
  await lab.host(2).exec(['tee', CONFIG], { input: `# ours\nunderlay: { address: ${lab.host(2).vtep} }\n` });
});
afterAll(() => labDown(LAB));

const tryOn = (host: number, ...command: string[]): Promise<ExecResult> => lab.host(host).exec(command);

async function run(host: number, ...command: string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await tryOn(host, ...command);
  expect(exitCode, `${command.join(' ')} on host${host}: ${stderr}`).toBe(0);
  return stdout.trim();
}

const weft = (host: number, ...command: string[]) => run(host, 'weft', ...command);
const newToken = (...options: string[]) => weft(1, 'token', 'create', '--role', 'node', '--ttl', '1h', ...options);
const join = (token: string, ...options: string[]) =>
  tryOn(2, 'weft', 'node', 'join', `${lab.host(1).vtep}:7781`, '--token', token, '--name', 'host2', ...options);

async function json<T>(host: number, ...command: string[]): Promise<T> {
  return JSON.parse(await weft(host, ...command, '-o', 'json')) as T;
}

describe('joining', () => {
  test('is refused without the right token, and leaves nothing behind', async () => {
    const good = await newToken();
    const [prefix, id, secret = '', pin] = good.split('.');
    const refuse = async (token: string, code: string, exit: number) => {
      const { exitCode, stderr } = await join(token);
      expect([exitCode, stderr]).toEqual([exit, expect.stringMatching(new RegExp(`^error ${code}: `))]);
      expect(stderr).not.toContain(secret);
    };
    await refuse('nonsense', 'invalid-argument', 2);
    await refuse(
      [prefix, id, secret.replace(/^./, secret.startsWith('A') ? 'B' : 'A'), pin].join('.'),
      'token-invalid',
      5,
    );
    await refuse([prefix, 'aaaaaaaaaa', secret, pin].join('.'), 'token-invalid', 5);
    await refuse([prefix, id, secret, `${'A'.repeat(42)}E`].join('.'), 'pin-mismatch', 5);
    const short = await newToken('--ttl', '1s');
    await until(
      async () => (await json<{ id: string }[]>(1, 'token', 'ls')).every((t) => t.id !== short.split('.')[1]),
      {
        what: 'the token to expire',
      },
    );
    await refuse(short, 'token-invalid', 5);
    const away = await tryOn(2, 'weft', 'node', 'join', `${lab.host(1).vtep}:9`, '--token', good);
    expect([away.exitCode, away.stderr]).toEqual([6, expect.stringContaining('error peer-away')]);
    const taken = await join(good, '--name', 'host1');
    expect([taken.exitCode, taken.stderr]).toEqual([4, expect.stringContaining('error name-taken')]);
    expect((await tryOn(2, 'ls', PKI)).exitCode).not.toBe(0);
    await weft(1, 'token', 'delete', id ?? '');
    await refuse(good, 'token-invalid', 5);
  });

  test('takes one command, after which the host is a node like any other', async () => {
    const token = await newToken();
    const joined = await join(token);
    expect([joined.exitCode, joined.stdout, joined.stderr]).toEqual([0, expect.stringContaining('host2 joined'), '']);
    expect(await run(2, 'stat', '-c', '%a %n', `${PKI}/node.key`, `${PKI}/client.key`, PKI)).toBe(
      `600 ${PKI}/node.key\n600 ${PKI}/client.key\n700 ${PKI}`,
    );
    expect((await tryOn(2, 'ls', `${PKI}/ca.key`)).exitCode).not.toBe(0);
    // again: nothing to do; with the token used up: refused
    expect((await join(token)).stdout).toContain('already');
    const config = await run(2, 'cat', CONFIG);
    expect(config).toContain('# ours');
    expect(config).toContain(`https://${lab.host(1).vtep}:2379`);
    await lab.host(2).start('weftd');
    const nodes = await json<{ name: string; live: boolean; signs: boolean }[]>(1, 'node', 'ls');
    expect(nodes.map(({ name, live, signs }) => [name, live, signs])).toEqual([
      ['host1', true, true],
      ['host2', true, false],
    ]);
    await weft(1, 'tenant', 'create', 'acme');
    await weft(2, 'network', 'create', 'acme/web');
    const addresses: string[] = [];
    for (const host of [1, 2]) {
      await run(host, 'ip', 'netns', 'add', 'c');
      const made = await json<{ addresses: string[] }>(
        host,
        'endpoint',
        'attach',
        'acme/web',
        '--netns',
        '/run/netns/c',
      );
      addresses.push(made.addresses[0]!.split('/')[0]!);
    }
    const pings = () => tryOn(2, 'ip', 'netns', 'exec', 'c', 'ping', '-c1', '-W1', addresses[0]!);
    await until(async () => (await pings()).exitCode === 0, { what: 'endpoints to reach each other' });
  });
});

describe('the API over TCP', () => {
  /** From inside host2's network: a small program there calls every method and prints what it is answered. */
  const CALLER = `
    import { connect } from '${new URL('../../dist/api/client.js', import.meta.url).href}';
    import { credentials } from '@grpc/grpc-js';
    import { readFileSync } from 'node:fs';
    const [address, certificate, ...methods] = process.argv.slice(2);
    const file = (name) => readFileSync('${PKI}/' + name);
    const own = certificate === 'none' ? [null, null] : [file(certificate + '.key'), file(certificate + '.crt')];
    const tls = credentials.createSsl(file('ca.crt'), ...own, { checkServerIdentity: () => undefined });
    const client = connect({ remote: { address, credentials: tls }, deadline: 5000 });
    const answers = {};
    for (const method of methods) {
      try {
        if (method === 'Watch') for await (const event of client.stream(method, { kinds: [], labels: [] }, AbortSignal.timeout(3000))) void event;
        else await client.call(method, { ref: 'x' });
        answers[method] = 'answered';
      } catch (error) { answers[method] = error.code; }
    }
    client.close();
    console.log(JSON.stringify(answers));
  `;
  const METHODS = Object.keys(loadApi().Weft.service);

  async function call(certificate: string, ...methods: string[]): Promise<Record<string, string>> {
    const path = new URL(`../../node_modules/.cache-caller-${process.pid}.mjs`, import.meta.url).pathname;
    await writeFile(path, CALLER);
    try {
      return JSON.parse(await run(2, 'node', path, `${lab.host(1).vtep}:7781`, certificate, ...methods)) as Record<
        string,
        string
      >;
    } finally {
      await rm(path);
    }
  }

  test('answers nobody without a certificate, save Join', async () => {
    const answers = await call('none', ...METHODS);
    expect(answers).toEqual({
      ...Object.fromEntries(METHODS.map((method) => [method, 'unauthenticated'])),
      // let through, and refused for what it asks
      Join: 'invalid-argument',
    });
  });

  test('speaks TLS 1.3 and nothing older', async () => {
    const speaks = async (version: string) => {
      const command = ['openssl', 's_client', '-msg', version, '-connect', `${lab.host(1).vtep}:7781`];
      // not its exit code: a caller without a certificate may be refused before openssl has said that the handshake ended
      return (await lab.host(2).exec(command, { input: '' })).stdout.includes('ServerHello');
    };
    expect([await speaks('-tls1_3'), await speaks('-tls1_2')]).toEqual([true, false]);
  });

  test('answers a node, save what is for callers on the host itself', async () => {
    const answers = await call('node', 'ListNodes', 'GetTenant', 'AttachEndpoint', 'RotateCertificates', 'SyncEngine');
    expect(answers).toEqual({
      ListNodes: 'answered',
      GetTenant: 'tenant-not-found',
      AttachEndpoint: 'not-allowed',
      RotateCertificates: 'not-allowed',
      SyncEngine: 'not-allowed',
    });
  });
});

describe('certificates', () => {
  const serial = (host: number) => run(host, 'openssl', 'x509', '-noout', '-serial', '-in', `${PKI}/node.crt`);
  /** of host2's weftd to etcd and to peers: those that stand, by their local port */
  const connections = async () =>
    (await run(2, 'ss', '-Htnp', 'state', 'established', 'dport', '=', ':2379')).split('\n').filter(Boolean);

  /** With what host2 was given for it, by a program that is not ours. */
  async function readsEtcd(): Promise<boolean> {
    const material = [`--cacert=${PKI}/ca.crt`, `--cert=${PKI}/client.crt`, `--key=${PKI}/client.key`];
    const where = [`--endpoints=https://${lab.host(1).vtep}:2379`, '--command-timeout=3s', '--dial-timeout=3s'];
    const read = ['get', '/weft', '--prefix', '--keys-only', '--limit=1'];
    return (await tryOn(2, 'env', 'ETCDCTL_API=3', 'etcdctl', ...where, ...material, ...read)).exitCode === 0;
  }

  test('are renewed on both kinds of nodes without a lost connection', async () => {
    const watch = await lab.host(2).spawn(['weft', 'network', 'ls', '-A', '--watch', '-o', 'json']);
    const before = await Promise.all([serial(1), serial(2)]);
    const stood = await connections();
    for (const host of [1, 2]) expect(await weft(host, 'node', 'rotate')).toMatch(/^renewed until /);
    const after = await Promise.all([serial(1), serial(2)]);
    for (const i of [0, 1]) expect(after[i]).not.toBe(before[i]);
    // the watch of the store goes on where it was
    expect(stood.length).toBeGreaterThan(0);
    await weft(2, 'network', 'create', 'acme/later');
    const { stdout, exitCode } = await watch.kill('INT');
    expect(exitCode).toBe(0);
    expect(
      stdout
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { name: string }).name),
    ).toEqual(['web', 'later']);
    expect((await json<{ store: { state: string } }>(2, 'status')).store.state).toBe('ok');
  });

  test('of a forgotten node are refused at once, and it cannot come back by itself', async () => {
    const refused = await tryOn(1, 'weft', 'node', 'forget', 'host2');
    expect([refused.exitCode, refused.stderr]).toEqual([4, expect.stringContaining('error node-live')]);
    expect(await readsEtcd()).toBe(true);
    await weft(1, 'node', 'forget', 'host2', '--force');
    await until(async () => !(await readsEtcd()), { what: 'etcd to refuse the forgotten node' });
    await until(async () => (await json<{ store: { state: string } }>(1, 'status')).store.state === 'ok', {
      what: 'the store of the others to be whole',
    });
    const rotate = await tryOn(2, 'weft', 'node', 'rotate');
    expect([rotate.exitCode, rotate.stderr]).toEqual([5, expect.stringContaining('error node-forgotten')]);
    expect((await json<{ name: string }[]>(1, 'node', 'ls')).map(({ name }) => name)).toEqual(['host1']);
  });
});

describe('a host that was forgotten', () => {
  /** Names and states of the ports in the tenant's namespace. */
  const ports = async () =>
    (await run(2, 'nsenter', '--net=/run/weft/netns/acme', 'ip', '-o', 'link', 'show', 'type', 'veth'))
      .split('\n')
      .filter((line) => /^\d+: we/.test(line))
      .map((line) => /[<,]UP[,>]/.test(line));
  const rejoin = (token: string) => tryOn(2, 'weft', 'node', 'rejoin', `${lab.host(1).vtep}:7781`, '--token', token);

  test('takes the ports of its endpoints down, and says so', async () => {
    await until(async () => (await ports()).join() === 'false', {
      what: 'the port of the endpoint to be down',
      deadline: 30_000,
    });
    const { conditions } = await json<{ conditions: { type: string; message: string }[] }>(2, 'status');
    const fenced = conditions.find(({ type }) => type === 'node-fenced');
    expect(fenced?.message).toContain('weft node rejoin');
    const listed = await json<{ node: string; state: string }[]>(2, 'endpoint', 'ls', '-t', 'acme');
    expect(listed.filter(({ state }) => state === 'fenced')).toHaveLength(1);
  });

  test('is one weftd at a time, whatever its run directory is called', async () => {
    const second = await tryOn(2, 'env', 'WEFT_RUN=/run/other', 'weftd');
    expect([second.exitCode, second.stderr]).toEqual([
      1,
      expect.stringMatching(/error already-running: another weftd uses .*\(pid \d+, \/run\/weft\)/),
    ]);
  });

  test('does not come back by itself, and joins anew with a token as another node', async () => {
    const token = await newToken();
    const running = await rejoin(token);
    expect([running.exitCode, running.stderr]).toEqual([4, expect.stringContaining('systemctl stop weftd')]);
    await lab.host(2).kill('weftd');
    await expect(lab.host(2).start('weftd')).rejects.toThrow(/forgotten/);
    expect(await ports()).toEqual([false]);
    const before = await run(2, 'openssl', 'x509', '-noout', '-ext', 'subjectAltName', '-in', `${PKI}/node.crt`);
    const { exitCode, stdout, stderr } = await rejoin(token);
    expect([exitCode, stderr]).toEqual([0, '']);
    const kept = /kept in (\S+)/.exec(stdout)?.[1] ?? '';
    expect(before).toContain(kept.slice(-26));
    expect(await run(2, 'ls', kept)).toContain('mark');
    await lab.host(2).start('weftd');
    expect((await json<{ name: string }[]>(1, 'node', 'ls')).map(({ name }) => name)).toEqual(['host1', 'host2']);
    await until(async () => (await tryOn(2, 'ls', '/run/weft/netns/acme')).exitCode !== 0, {
      what: 'what the former node had in the kernel to be gone',
      deadline: 30_000,
    });
    const made = await json<{ addresses: string[] }>(2, 'endpoint', 'attach', 'acme/web', '--netns', '/run/netns/c');
    const [peer] = await json<{ addresses: string[]; node: string }[]>(1, 'endpoint', 'ls', '--node', 'host1', '-A');
    const there = peer?.addresses[0]?.split('/')[0] ?? '';
    expect(made.addresses[0]).not.toBe(there);
    await until(async () => (await tryOn(2, 'ip', 'netns', 'exec', 'c', 'ping', '-c1', '-W1', there)).exitCode === 0, {
      what: 'the endpoint of the new node to reach another host',
      deadline: 30_000,
    });
  });
});
