/** Formats, filters, watches, events and completion of `weft`, against a daemon's API with a fake control. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import pino from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { parse } from 'yaml';
import { startApiServer } from '../../../src/api/server.ts';
import { runProgram } from '../../../src/cli/program.ts';
import { WeftError } from '../../../src/model/errors.ts';
import { endpoint, engine, examination, fakeControl, network, shared } from '../../support/fake-control.ts';
import { until } from '../../support/until.ts';

let folder: string;
let control: ReturnType<typeof fakeControl>;
let server: { close(): Promise<void> };
let out: string[];
let err: string[];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'weft-cli-'));
  const socketPath = join(folder, 'weft.sock');
  control = fakeControl();
  server = await startApiServer({ socketPath, control, nodeName: 'host1', log: pino({ level: 'silent' }) });
  [out, err] = [[], []];
  vi.stubEnv('WEFT_SOCKET', socketPath);
  vi.spyOn(console, 'log').mockImplementation((text: string) => void out.push(text));
  vi.spyOn(console, 'error').mockImplementation((text: string) => void err.push(text));
});
afterEach(async () => {
  process.exitCode = undefined;
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  await server.close();
  rmSync(folder, { recursive: true });
});

async function weft(...words: string[]): Promise<{ code: number; out: string; err: string }> {
  out.length = 0;
  err.length = 0;
  const code = await runProgram(words);
  return { code, out: out.join('\n'), err: err.join('\n') };
}

describe('formats', () => {
  it('yaml says what json says', async () => {
    for (const words of [
      ['endpoint', 'ls', '-A'],
      ['network', 'inspect', 'acme/web'],
      ['docker', 'status'],
    ]) {
      const yaml: unknown = parse((await weft(...words, '-o', 'yaml')).out);
      expect(yaml).toEqual(JSON.parse((await weft(...words, '-o', 'json')).out));
    }
  });

  it('wide adds columns at the end', async () => {
    const [narrow, wide] = [
      (await weft('endpoint', 'ls', '-A')).out,
      (await weft('endpoint', 'ls', '-A', '-o', 'wide')).out,
    ];
    expect(wide.split('\n')[0]).toMatch(/^ENDPOINT .* AGE +MAC +IMAGE +PROJECT +LABELS +ID$/);
    expect(narrow.split('\n')[0]).toMatch(/AGE$/);
    expect(wide).toContain('app=db');
  });
});

describe('shared addresses', () => {
  it('are shared, moved and given up as they are asked to be, in the tenant that is meant', async () => {
    const of = { network: 'acme/web', address: '10.10.0.100' };
    await weft('address', 'share', 'web', of.address, 'db', 'db2', '-t', 'acme');
    expect(control.shareAddress.mock.lastCall?.[0]).toEqual({ ...of, endpoints: ['db', 'db2'] });
    await weft('address', 'move', of.network, of.address, 'db2');
    expect(control.moveAddress.mock.lastCall?.[0]).toEqual({ ...of, endpoint: 'db2' });
    await weft('address', 'unshare', of.network, of.address, 'db');
    expect(control.unshareAddress.mock.lastCall?.[0]).toEqual({ ...of, endpoints: ['db'] });
    await weft('address', 'unshare', of.network, of.address);
    expect(control.unshareAddress.mock.lastCall?.[0]).toEqual({ ...of, endpoints: [] });
  });

  it('are listed with who has them, and why nobody does', async () => {
    const listed = await weft('address', 'ls', 'acme/web', '-o', 'json');
    expect(JSON.parse(listed.out)).toEqual([shared]);
    expect(control.listSharedAddresses.mock.lastCall?.[0]).toMatchObject({ tenant: 'acme', network: 'web' });
    const note = 'its holder is gone: the first of db2 that announces it has it';
    control.listSharedAddresses.mockResolvedValue([{ ...shared, state: 'waiting', holder: '', node: '', note }]);
    const table = (await weft('address', 'ls', '-A')).out;
    expect(control.listSharedAddresses.mock.lastCall?.[0]).toMatchObject({ tenant: '', network: '' });
    expect(table.split('\n')[0]).toMatch(/^ADDRESS +NETWORK +STATE +HOLDER +NODE +ENDPOINTS +AGE$/);
    expect(table).toContain(`10.10.0.100: ${note}`);
  });
});

describe('lists', () => {
  it('give every filter to the daemon', async () => {
    const filters = [
      '--node',
      'h',
      '--network',
      'n',
      '--state',
      'ready',
      '--container',
      'c',
      '--project',
      'p',
      '--label',
      'a=b',
      '--label',
      'c',
    ];
    await weft('endpoint', 'ls', '-t', 'acme', ...filters);
    expect(control.listEndpoints.mock.calls[0]?.[0]).toMatchObject({
      ...{
        tenant: 'acme',
        node: 'h',
        network: 'n',
        state: 'ready',
        container: 'c',
        project: 'p',
        labels: ['a=b', 'c'],
      },
    });
  });

  it('read all pages', async () => {
    const many = Array.from({ length: 2_500 }, (_, i) => ({
      ...endpoint,
      id: String(i),
      name: String(i).padStart(5, '0'),
    }));
    control.listEndpoints.mockResolvedValue(many);
    const read = JSON.parse((await weft('endpoint', 'ls', '-A', '-o', 'json')).out) as unknown[];
    expect(read).toEqual(many);
    expect(control.listEndpoints).toHaveBeenCalledTimes(3);
  });
});

describe('watching', () => {
  it('prints one line of JSON for each change, and fails when the daemon ends it', async () => {
    const { code, out, err } = await weft('network', 'ls', '-A', '--watch', '-o', 'json');
    expect(out.split('\n').map((line) => JSON.parse(line) as unknown)).toEqual([{ event: 'added', ...network }]);
    expect([code, err]).toEqual([6, expect.stringContaining('daemon-away')]);
  });

  it('prints rows under their headings', async () => {
    const { out } = await weft('network', 'ls', '-A', '--watch');
    expect(out).toMatch(/^EVENT +NETWORK +SUBNETS.*\nadded +acme\/web +fd00:1::\/64/);
  });

  it('events tell only what changes, unless asked for what is there', async () => {
    expect((await weft('events')).out).toBe(
      '03:04:05 endpoint changed acme/web/db (10.1.2.3/16, fd00:1::3/64) on host1, container My_Db.1, ready',
    );
    expect((await weft('events', '--initial')).out).toMatch(
      /^03:04:05 network {2}added {3}acme\/web .*\n03:04:05 endpoint/,
    );
    await weft('events', '--kind', 'endpoint', '--tenant', 'acme', '--label', 'x');
    expect(control.watch.mock.calls.at(-1)?.[0]).toMatchObject({ kinds: ['endpoint'], tenant: 'acme', labels: ['x'] });
    expect((await weft('events', '--kind', 'pod')).code).toBe(2);
  });
});

describe('changes', () => {
  it('send labels, reservations and the revision they go by', async () => {
    await weft(
      'network',
      'update',
      'acme/web',
      '--label',
      'a=b',
      '--label',
      'old=',
      '--reserve',
      '10.1.0.9',
      '--revision',
      '5',
    );
    expect(control.updateNetwork.mock.calls[0]?.[0]).toEqual({
      ref: 'acme/web',
      revision: 5,
      labels: { a: 'b', old: '' },
      reserve: ['10.1.0.9'],
      unreserve: [],
    });
    await weft('endpoint', 'label', 'acme/web/db', 'app=db', 'tier=');
    expect(control.updateEndpoint.mock.calls[0]?.[0]).toMatchObject({ labels: { app: 'db', tier: '' }, revision: 0 });
  });

  it('extend a network by a subnet with its gateway and what it keeps back', async () => {
    const words = ['network', 'extend', 'acme/web', '--subnet', '10.11.0.0/24', '--gateway', '10.11.0.254'];
    await weft(...words, '--reserve', '10.11.0.0/28');
    expect(control.extendNetwork.mock.calls[0]?.[0]).toEqual({
      ref: 'acme/web',
      revision: 0,
      subnet: { cidr: '10.11.0.0/24', gateway: '10.11.0.254', reserved: ['10.11.0.0/28'] },
    });
    const outside = await weft('network', 'extend', 'acme/web', '--subnet', '10.11.0.0/24', '--gateway', '10.12.0.1');
    expect([outside.code, outside.err]).toEqual([2, expect.stringContaining('lies in no --subnet')]);
  });

  it('name whom a forced deletion disconnects, before it does', async () => {
    const { err } = await weft('network', 'delete', 'acme/web', '--force');
    expect(err).toBe('disconnecting My_Db.1 (10.1.2.3/16, fd00:1::3/64) on host1');
    expect(control.deleteNetwork.mock.calls[0]?.[0]).toEqual({ ref: 'acme/web', force: true });
  });

  it.each(['/proc/self/ns/net', '/proc/thread-self/ns/net', '/proc/../proc/self/ns/net'])(
    'refuse %s, which is the daemon’s own namespace there',
    async (path) => {
      const { code, err } = await weft('endpoint', 'attach', 'acme/web', '--netns', path);
      expect([code, err]).toEqual([2, expect.stringContaining('/proc/PID/ns/net')]);
      expect(control.attach).not.toHaveBeenCalled();
    },
  );
});

describe('docker', () => {
  it('status ends with 10 while something is not in step, and with 0 otherwise', async () => {
    const { code, out } = await weft('docker', 'status');
    expect(code).toBe(10);
    expect(out).toMatch(/host1 +acme\/db +acme\.db +clash +a bridge network has that name +remove it/);
    process.exitCode = undefined;
    control.listEngines.mockResolvedValue([{ ...engine, networks: engine.networks.slice(0, 1) }]);
    expect((await weft('docker', 'status')).code).toBe(0);
  });
});

describe('completion', () => {
  const complete = async (...words: string[]) => (await weft('__complete', '--', ...words)).out.split('\n');

  /** The daemon is given half a second, in which a busy machine may not come to it: then nothing is printed. */
  const names = async (...words: string[]) => {
    let found = [''];
    const answered = async () => (found = await complete(...words))[0] !== '';
    await until(answered, { what: 'the daemon to answer in time', deadline: 30_000 });
    return found;
  };

  it('knows commands, options, choices and names', { timeout: 60_000 }, async () => {
    expect(await complete('netw')).toEqual(['network']);
    expect(await complete('network', 'de')).toEqual(['delete']);
    expect(await complete('network', 'create', '--sub')).toEqual(['--subnet']);
    expect(await complete('-o', 'j')).toEqual(['json']);
    expect(await names('network', 'inspect', '')).toEqual(['acme/web']);
    expect(await names('address', 'move', 'acme/web', '10')).toEqual(['10.10.0.100']);
    expect(await names('endpoint', 'ls', '-t', 'a')).toEqual(['acme']);
    expect(await complete('explain', 'error', 'pool-e')).toEqual(['pool-exhausted']);
    expect(await complete('')).not.toContain('__complete');
  });

  it('is silent when the daemon is away', async () => {
    vi.stubEnv('WEFT_SOCKET', join(folder, 'none.sock'));
    expect(await weft('__complete', '--', 'network', 'inspect', '')).toEqual({ code: 0, out: '', err: '' });
  });

  it('runs in a real bash, with the program that it asks', () => {
    const main = fileURLToPath(new URL('../../../dist/bin/weft.js', import.meta.url));
    const script = `weft() { "$NODE" "$MAIN" "$@"; }
eval "$(weft completion bash)"
complete -p weft
for line in 'weft netw' 'weft network create --sub' 'weft -o j' 'weft nothing-of-this-name x'; do
  read -ra COMP_WORDS <<< "$line"
  COMP_CWORD=$(( \${#COMP_WORDS[@]} - 1 ))
  COMPREPLY=()
  _weft
  printf '%s: %s\\n' "$line" "\${COMPREPLY[*]}"
done`;
    const env = { ...process.env, NODE: process.execPath, MAIN: main };
    const said = execFileSync('bash', ['--norc', '-c', script], { env, encoding: 'utf8' });
    expect(said.trim().split('\n')).toEqual([
      'complete -o default -F _weft weft',
      'weft netw: network',
      'weft network create --sub: --subnet',
      'weft -o j: json',
      'weft nothing-of-this-name x:',
    ]);
  }, 60_000);

  it.each(['bash', 'zsh', 'fish'])('prints a script for %s', async (shell) => {
    expect((await weft('completion', shell)).out).toContain('weft __complete');
  });
});

describe('explain', () => {
  it('finds the code that was meant', async () => {
    expect((await weft('explain', 'error', 'pool-exhaused')).err).toContain('weft explain error pool-exhausted');
    expect((await weft('explain', 'error')).out).toContain('pool-exhausted');
  });
});

describe('doctor', () => {
  it('prints each finding with what shows it and what to do, and says who did not answer', async () => {
    const { code, out } = await weft('doctor', '--audit');
    expect(code).toBe(10);
    expect(control.examine.mock.calls[0]?.[0]).toEqual({ audit: true });
    expect(out).toMatch(/^address-leaked on host1: acme\/web 10\.1\.2\.3\n +nobody has it\n +next: weft node ls$/m);
    expect(out).toMatch(/^did not answer: host2$/m);
  });

  it('is done with exit code 0 when nothing is wrong, and gives programs the whole', async () => {
    control.examine.mockResolvedValue({ ...examination, findings: [] });
    const { code, out } = await weft('doctor', '-o', 'json');
    expect([code, JSON.parse(out)]).toEqual([0, { ...examination, findings: [] }]);
    expect(control.examine.mock.calls[0]?.[0]).toEqual({ audit: false });
  });

  it('writes a bundle for its owner alone, with what could not be had named in it', async () => {
    control.listNetworks.mockRejectedValue(new WeftError('store-away', 'no etcd'));
    const path = join(folder, 'bundle.json.gz');
    expect((await weft('doctor', '--bundle', path)).code).toBe(0);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const bundle = JSON.parse(gunzipSync(readFileSync(path)).toString('utf8')) as Record<string, unknown>;
    expect(bundle).toMatchObject({
      status: { node: 'host1' },
      endpoints: [{ name: 'db', labels: { app: '(redacted)' } }],
      networks: { error: { code: 'store-away' } },
      audit: { findings: [{ code: 'address-leaked' }] },
    });
  });
});
