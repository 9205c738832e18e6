import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import pino from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { startApiServer } from '../../../src/api/server.ts';
import { buildProgram, runProgram } from '../../../src/cli/program.ts';
import { ERRORS, EXIT, WeftError } from '../../../src/model/errors.ts';
import { endpoint, fakeControl, network, node, status, tenant } from '../../support/fake-control.ts';

let folder: string;
let socketPath: string;
let control: ReturnType<typeof fakeControl>;
let server: { close(): Promise<void> };
let out: string[];
let err: string[];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'weft-cli-'));
  socketPath = join(folder, 'weft.sock');
  control = fakeControl();
  server = await startApiServer({ socketPath, control, nodeName: 'host1', log: pino({ level: 'silent' }) });
  out = [];
  err = [];
  vi.stubEnv('WEFT_SOCKET', socketPath);
  vi.stubEnv('WEFT_TENANT', undefined);
  vi.spyOn(console, 'log').mockImplementation((text: string) => void out.push(text));
  vi.spyOn(console, 'error').mockImplementation((text: string) => void err.push(text));
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out.push(String(text));
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    err.push(String(text));
    return true;
  });
});

afterEach(async () => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  await server.close();
  rmSync(folder, { recursive: true });
});

async function weft(words: string): Promise<{ code: number; out: string; err: string }> {
  out.length = 0;
  err.length = 0;
  const code = await runProgram(words.split(' ').filter((word) => word !== ''));
  return { code, out: out.join('\n'), err: err.join('\n') };
}

const json = async (words: string): Promise<unknown> => JSON.parse((await weft(`${words} -o json`)).out);

describe('weft', () => {
  it('prints arrays for lists and objects for what is inspected or made, as JSON', async () => {
    expect(await json('status')).toEqual(status);
    expect(await json('tenant ls')).toEqual([tenant]);
    expect(await json('network ls -A')).toEqual([network]);
    expect(await json('endpoint ls -A')).toEqual([endpoint]);
    expect(await json('node ls')).toEqual([node]);
    expect(await json('tenant inspect acme')).toEqual(tenant);
    expect(await json('network inspect acme/web')).toEqual(network);
    expect(await json('endpoint inspect acme/web/db')).toEqual(endpoint);
    expect(await json('tenant create acme')).toEqual(tenant);
    expect(await json('network create acme/web')).toEqual(network);
    expect(await json('endpoint attach acme/web --netns /run/netns/x')).toEqual(endpoint);
  });

  it('prints tables for people', async () => {
    expect((await weft('network ls -A')).out).toMatch(
      /^NETWORK +SUBNETS +USED.*\nacme\/web +fd00:1::\/64 +3\/4294967293/,
    );
    expect((await weft('endpoint ls -A')).out).toContain('My_Db.1');
    expect((await weft('node ls')).out).toMatch(/host1 +yes +192\.0\.2\.1/);
    expect((await weft('status')).out).toContain('repairs   3 (fdb 2, vxlan 1)');
    control.listTenants.mockResolvedValue([]);
    expect((await weft('tenant ls')).out).toMatch(/^NAME/);
  });

  it('means the default tenant, that of the environment, the one it is given, or all', async () => {
    await weft('endpoint ls');
    vi.stubEnv('WEFT_TENANT', 'env');
    await weft('endpoint ls');
    await weft('endpoint ls -t given --node host2');
    await weft('endpoint ls -A');
    expect(control.listEndpoints.mock.calls.map(([filter]) => [filter.tenant, filter.node])).toEqual([
      ['default', ''],
      ['env', ''],
      ['given', 'host2'],
      ['', ''],
    ]);
    await weft('network inspect web');
    await weft('network inspect web -t acme');
    await weft('network inspect 01HZXYABCDEFGHJKMNPQRSTVWX');
    expect(control.getNetwork.mock.calls.map(([ref]) => ref)).toEqual([
      'env/web',
      'acme/web',
      '01HZXYABCDEFGHJKMNPQRSTVWX',
    ]);
  });

  it('gives gateways and reservations to the subnet they lie in', async () => {
    await weft(
      'network create acme/web --subnet 10.1.0.0/16 --subnet fd00::/64 --gateway fd00::9 --reserve 10.1.7.0/24 --reserve fd00::5 --mtu 1400 --internal',
    );
    expect(control.createNetwork.mock.calls[0]?.[0]).toEqual({
      tenant: 'acme',
      name: 'web',
      internal: true,
      labels: {},
      mtu: 1400,
      subnets: [
        { cidr: '10.1.0.0/16', gateway: '', reserved: ['10.1.7.0/24'] },
        { cidr: 'fd00::/64', gateway: 'fd00::9', reserved: ['fd00::5'] },
      ],
    });
    for (const words of ['--gateway 10.2.0.1', '--reserve 10.2.0.1', '--gateway nonsense', '--mtu many']) {
      const { code, err: text } = await weft(`network create acme/web --subnet 10.1.0.0/16 ${words}`);
      expect([code, text]).toEqual([2, expect.stringContaining(words.split(' ')[1] ?? '')]);
    }
  });

  it('ends with the exit code of what went wrong, and says what to do', async () => {
    for (const [code, { exit, next }] of Object.entries(ERRORS)) {
      control.getTenant.mockRejectedValue(
        new WeftError(code as keyof typeof ERRORS, 'it went wrong', { host: 'host7' }),
      );
      const result = await weft('tenant inspect acme');
      expect([result.code, result.out]).toEqual([EXIT[exit], '']);
      expect(result.err).toBe(`error ${code}: it went wrong (on host7)\nnext: ${next}`);
    }
    control.getTenant.mockRejectedValue(new WeftError('tenant-not-found', 'no tenant'));
    const report = JSON.parse((await weft('tenant inspect acme -o json')).err) as object;
    expect(report).toMatchObject({
      code: 'tenant-not-found',
      message: 'no tenant',
      object: '',
      host: 'host1',
      cause: '',
    });
    vi.stubEnv('WEFT_SOCKET', join(folder, 'nobody'));
    expect(await weft('status')).toMatchObject({
      code: EXIT.away,
      err: expect.stringContaining('daemon-away') as string,
    });
  });

  it('helps those who mistype', async () => {
    for (const [words, hint] of [
      ['netwrok ls', 'network'],
      ['network lst', 'ls'],
      ['network ls --tenat x', '--tenant'],
      ['endpoint attach acme/web', '--netns'],
      ['endpoint inspect db', 'TENANT/NETWORK/ENDPOINT'],
      ['explain error pool-exhuasted', 'pool-exhausted'],
      ['explain error toString', 'no error has the code'],
      ['network ls --tenat x', 'next: weft network ls --help'],
      ['network', 'subcommand'],
      ['network', 'Usage: weft network'],
      ['', 'Usage: weft'],
      ['status -o jsno', 'table, wide, json, yaml'],
      ['status extra', 'too many arguments'],
      ['endpoint attach acme/web --netns /x --label plain', 'KEY=VALUE'],
      ['network inspect web --tenant=', '--tenant'],
    ] as const) {
      const result = await weft(words);
      expect([words, result.code, result.err]).toEqual([words, EXIT.usage, expect.stringContaining(hint)]);
    }
  });

  it('puts nothing but the report on stderr for those who read JSON', async () => {
    for (const words of ['network', 'network ls --tenat x', 'endpoint attach acme/web', 'nonsense']) {
      const { err: text } = await weft(`${words} -o json`);
      expect(JSON.parse(text)).toMatchObject({
        code: 'invalid-argument',
        next: expect.stringMatching(/--help$/) as string,
      });
    }
    // What follows "--" is another program's.
    expect((await weft('nonsense -- weft ls -o json')).err).toMatch(/^error invalid-argument/);
  });

  it('never takes an empty tenant for all tenants', async () => {
    vi.stubEnv('WEFT_TENANT', '');
    await weft('network ls');
    expect(control.listNetworks.mock.calls[0]?.[0].tenant).toBe('default');
    expect((await weft('network ls --tenant=')).code).toBe(EXIT.usage);
    expect(control.listNetworks).toHaveBeenCalledOnce();
  });

  it('attaches by an absolute path, since the daemon stands elsewhere', async () => {
    await weft('endpoint attach web --netns some/ns --ip 10.0.0.7 --ip fd00::7 --name db --label a=b=c -p 80:80');
    expect(control.attach.mock.calls[0]?.[0]).toEqual({
      network: 'default/web',
      netns: resolve('some/ns'),
      addresses: ['10.0.0.7', 'fd00::7'],
      name: 'db',
      labels: { a: 'b=c' },
      publish: ['80:80'],
    });
  });

  it('deletes and detaches what it is told to, silently', async () => {
    for (const words of ['tenant delete acme', 'network delete web -t acme', 'endpoint detach web/db -t acme']) {
      expect(await weft(words)).toEqual({ code: 0, out: '', err: '' });
    }
    expect(control.deleteTenant.mock.calls[0]?.[0]).toBe('acme');
    expect(control.deleteNetwork.mock.calls[0]?.[0]).toEqual({ ref: 'acme/web', force: false });
    expect(control.detach.mock.calls[0]?.[0]).toBe('acme/web/db');
  });

  it('explains every error', async () => {
    for (const [code, { meaning }] of Object.entries(ERRORS)) {
      expect(await weft(`explain error ${code}`)).toMatchObject({
        code: 0,
        out: expect.stringContaining(meaning) as string,
      });
    }
  });

  it('has an example in every help text', async () => {
    const all = (command: Command): Command[] => [command, ...command.commands.flatMap(all)];
    const program = await buildProgram(['lab']);
    for (const command of all(program)) {
      const words: string[] = [];
      for (let at = command; at.parent; at = at.parent) words.unshift(at.name());
      const { code, out: text } = await weft(`${words.join(' ')} --help`);
      expect([words, code]).toEqual([words, 0]);
      expect(text).toMatch(/Examples?:\n +weft /);
    }
    expect(await weft('--version')).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) as string,
    });
  });
});
