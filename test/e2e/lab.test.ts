import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { labDown, labExists, labUp, openLab } from '../../src/lab/lab.ts';
import type { Lab } from '../../src/lab/lab.ts';
import { processesOfLab } from '../../src/lab/process-table.ts';
import { until } from '../../src/lab/wait.ts';

/** Whether weftd runs on the hosts makes no difference to what is tested here, and it keeps these tests quick. */
const BARE = { daemon: false } as const;
/** Of this run alone: a lab that another run left behind must not decide what this one finds. */
const MAIN = `t${process.pid}`;

/** What the main lab could leave on the machine; of its namespaces those that are in `own`. Other labs come and go beside it. */
function leftOf(own: readonly string[]): string[] {
  const held = new Set(pidsOf().flatMap(namespacesOf));
  const mounts = readFileSync('/proc/mounts', 'utf8').split('\n');
  const hierarchies = ['/sys/fs/cgroup', ...readdirSync('/sys/fs/cgroup').map((name) => `/sys/fs/cgroup/${name}`)];
  const paths = [...hierarchies.map((path) => `${path}/weft-lab`), '/run/weft-lab', '/var/lib/weft-lab'];
  return [
    ...own.filter((one) => held.has(one)),
    ...mounts.filter((one) => one.includes(`/${MAIN}/`)),
    ...paths.map((path) => `${path}/${MAIN}`).filter((path) => existsSync(path)),
  ];
}

const pidsOf = (): number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);

function namespacesOf(pid: number): string[] {
  return ['net', 'mnt', 'pid', 'uts', 'ipc'].flatMap((kind) => {
    try {
      return [readlinkSync(`/proc/${pid}/ns/${kind}`)];
    } catch {
      return []; // it has ended meanwhile
    }
  });
}

/** Names of the links in the machine's own namespace. */
function links(): string[] {
  const all = JSON.parse(execFileSync('ip', ['-j', 'link'], { encoding: 'utf8' })) as { ifname: string }[];
  return all.map(({ ifname }) => ifname).sort();
}

function zombies(): number {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      return (
        / Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8')) &&
        /\((tini|unshare|dockerd)\)/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
      );
    } catch {
      return false;
    }
  }).length;
}

async function pings(lab: Lab, from: number, address: string): Promise<boolean> {
  const { exitCode } = await lab.host(from).exec(['ping', '-c', '1', '-W', '1', address]);
  return exitCode === 0;
}

describe('a lab of two hosts with Docker', () => {
  let lab: Lab;
  let before: string[];
  let took: number;

  beforeAll(async () => {
    before = links();
    const start = performance.now();
    lab = await labUp({ name: MAIN, hosts: 2, engine: 'docker', underlayMtu: 1600, ...BARE });
    took = performance.now() - start;
  });
  afterAll(() => labDown(MAIN));

  it('is up in under 20 s', () => {
    expect(took).toBeLessThan(20_000);
  });

  it('joins the hosts by IPv4 and IPv6, at the MTU asked for', async () => {
    const two = lab.host(2);
    expect([two.address4, two.address6]).toEqual(['192.0.2.2', '2001:db8::2']);
    for (const [address, header] of [
      [two.address4, 28],
      [two.address6, 48],
    ] as const) {
      const ping = ['ping', '-c', '1', '-W', '2', '-M', 'do', '-s'];
      expect((await lab.host(1).exec([...ping, String(1600 - header), address])).exitCode).toBe(0);
      expect((await lab.host(1).exec([...ping, String(1601 - header), address])).exitCode).not.toBe(0);
    }
  });

  it('shows a host its own links, name and /run', async () => {
    const { stdout } = await lab.host(1).exec(['sh', '-c', 'hostname; ls /sys/class/net; ls /run/docker.sock']);
    expect(stdout.trim().split('\n')).toEqual(['host1', 'docker0', 'eth0', 'lo', '/run/docker.sock']);
  });

  it('passes on input, environment, output and exit code', async () => {
    const host = lab.host('host2');
    const echoed = await host.exec(['cat'], { input: 'a line\nno newline at the end' });
    expect(echoed).toEqual({ stdout: 'a line\nno newline at the end', stderr: '', exitCode: 0 });
    const told = await host.exec(['sh', '-c', 'echo "$WHAT" >&2; exit 7'], { env: { WHAT: 'ever' } });
    expect(told).toEqual({ stdout: '', stderr: 'ever\n', exitCode: 7 });
  });

  it('ends a command that takes longer than its timeout, on the host itself', async () => {
    const result = await lab.host(1).exec(['sleep', '1234'], { timeout: 300 });
    expect(result.exitCode).toBe(124);
    expect((await lab.host(1).exec(['pgrep', '-fx', 'sleep 1234'])).stdout).toBe('');
  });

  it('runs a command beside the caller until it is told to end', async () => {
    const session = await lab
      .host(1)
      .spawn(['sh', '-c', 'trap "echo asked; exit 3" TERM; echo ready; while :; do sleep 0.05; done']);
    await new Promise((resolve) => session.stdout.once('data', resolve));
    const result = await session.kill('TERM');
    expect(result.exitCode).toBe(3);
    expect(result.stdout).toContain('asked');
  });

  it('runs containers from the image box, with ping, iperf3 and socat in it', async () => {
    const run = ['docker', 'run', '--rm', '--network', 'none', 'box'];
    const check = 'ping -V && iperf3 --version && socat -V && busybox true';
    for (const host of lab.hosts) {
      const result = await host.exec([...run, 'sh', '-c', check]);
      expect(result.stderr).toBe('');
      expect(result.stdout).toMatch(/iputils[^]*iperf 3[^]*socat version/);
    }
  });

  it('keeps the engines apart', async () => {
    expect((await lab.host(1).exec(['docker', 'create', '--name', 'only-here', 'box'])).exitCode).toBe(0);
    expect((await lab.host(2).exec(['docker', 'inspect', 'only-here'])).exitCode).toBe(1);
    await lab.host(1).exec(['docker', 'rm', 'only-here']);
  });

  it('cuts a host off and puts it back', async () => {
    expect(await pings(lab, 1, '192.0.2.2')).toBe(true);
    await lab.cut('host2');
    expect(await pings(lab, 1, '192.0.2.2')).toBe(false);
    expect((await lab.status()).map((host) => host.link)).toEqual(['connected', 'cut']);
    await lab.heal('host2');
    expect(await pings(lab, 1, '192.0.2.2')).toBe(true);
  });

  it('freezes, thaws, kills and starts a daemon', async () => {
    const host = lab.host(2);
    const version = ['docker', 'version'];
    await host.freeze('dockerd');
    expect((await host.daemonStates()).dockerd).toBe('frozen');
    expect((await host.exec(version, { timeout: 500 })).exitCode).toBe(124);
    await host.thaw('dockerd');
    expect((await host.exec(version)).exitCode).toBe(0);
    await host.kill('dockerd');
    expect((await host.daemonStates()).dockerd).toBe('stopped');
    await expect(host.freeze('dockerd')).rejects.toMatchObject({ code: 'lab-failed' });
    await host.start('dockerd');
    expect((await host.exec(version)).exitCode).toBe(0);
    await expect(host.start('dockerd')).rejects.toThrow('runs already');
    expect(await host.logs('dockerd')).toContain('API listen on');
  });

  it('cuts the power: another boot id, the same machine id and disk, nothing running, an empty /run', async () => {
    const host = lab.host(1);
    const read = async (path: string): Promise<string> => (await host.exec(['cat', path])).stdout.trim();
    const bootId = '/proc/sys/kernel/random/boot_id';
    const lives = [
      await read(bootId),
      readFileSync(bootId, 'utf8').trim(),
      (await lab.host(2).exec(['cat', bootId])).stdout.trim(),
    ];
    const machineId = await read('/etc/machine-id');
    await host.exec(['docker', 'run', '-d', '--name', 'long', 'box', 'sleep', '100000']);
    await host.exec(['sh', '-c', 'echo kept >/var/lib/weft/file; echo kept >/etc/weft/file; echo lost >/run/file']);
    const { initPid } = host;

    await host.powerCycle();

    expect(existsSync(`/proc/${initPid}`)).toBe(false);
    lives.push(await read(bootId));
    expect(new Set(lives).size).toBe(4);
    expect(await read('/etc/machine-id')).toBe(machineId);
    expect(await read('/var/lib/weft/file')).toBe('kept');
    expect(await read('/etc/weft/file')).toBe('kept');
    expect((await host.exec(['cat', '/run/file'])).exitCode).toBe(1);
    const states = await host.exec(['docker', 'inspect', '-f', '{{.State.Running}}', 'long']);
    expect(states.stdout.trim()).toBe('false');
    expect((await host.exec(['docker', 'start', 'long'])).exitCode).toBe(0);
    expect(await pings(lab, 2, '192.0.2.1')).toBe(true);
  });

  it('is found again by its name, and its name is refused to another', async () => {
    expect((await openLab(MAIN)).host(1).initPid).toBe(lab.host(1).initPid);
    await expect(labUp({ name: MAIN, ...BARE })).rejects.toMatchObject({
      code: 'lab-failed',
      next: `weft lab down --name ${MAIN}`,
    });
    expect(await pings(lab, 1, '192.0.2.2')).toBe(true);
    expect(statSync(`/run/weft-lab/${MAIN}/lab.json`).mode & 0o777).toBe(0o600);
  });

  it('leaves nothing on the machine, even with a daemon frozen and a container running', async () => {
    await lab.host(2).freeze('dockerd');
    const dead = zombies();
    const shared = namespacesOf(process.pid);
    const all = (await processesOfLab(MAIN)).flatMap(namespacesOf);
    const own = [...new Set(all)].filter((one) => !shared.includes(one));
    expect(own.length).toBeGreaterThan(2 * 4);
    await lab.down();
    expect(await labExists(MAIN)).toBe(false);
    // namespaces are ended by the kernel in its own time
    const left = (): string[] => [...leftOf(own), ...links().filter((one) => !before.includes(one))];
    await until(() => Promise.resolve(left().length === 0), {
      what: 'something is left',
      deadline: 10_000,
      explain: () => Promise.resolve(left().join(' ')),
    });
    expect(zombies()).toBeLessThanOrEqual(dead);
  });
});

describe('labs', () => {
  it('stand side by side', async () => {
    const names = [`${MAIN}-a`, `${MAIN}-b`];
    onTestFinished(async () => {
      for (const name of names) await labDown(name);
    });
    const labs = await Promise.all(names.map((name) => labUp({ name, hosts: 2, engine: 'none', ...BARE })));
    for (const lab of labs) expect(await pings(lab, 1, '192.0.2.2')).toBe(true);
    await labs[0]!.cut('host2');
    expect(await pings(labs[0]!, 1, '192.0.2.2')).toBe(false);
    expect(await pings(labs[1]!, 1, '192.0.2.2')).toBe(true);
    await labs[0]!.down();
    expect(await pings(labs[1]!, 1, '192.0.2.2')).toBe(true);
  });

  it('that are interrupted while they are raised leave nothing', async () => {
    const name = `${MAIN}-c`;
    onTestFinished(() => labDown(name));
    const interrupted = new AbortController();
    const onProgress = (step: string): void => {
      if (step.startsWith('Docker')) interrupted.abort(new Error('enough'));
    };
    await expect(labUp({ name, ...BARE, onProgress, signal: interrupted.signal })).rejects.toThrow('enough');
    expect(await labExists(name)).toBe(false);
  });

  it('are refused when they could not stand', async () => {
    await expect(labUp({ name: 'Not A Name', ...BARE })).rejects.toMatchObject({ code: 'invalid-argument' });
    await expect(labUp({ name: MAIN, hosts: 0, ...BARE })).rejects.toThrow(/^hosts:/);
    await expect(labUp({ name: MAIN, hosts: 2, etcd: 3 })).rejects.toThrow(/^etcd:/);
    await expect(labUp({ name: MAIN, underlayMtu: 1000, ...BARE })).rejects.toThrow(/^underlayMtu:/);
    expect(await labExists(MAIN)).toBe(false);
  });
});
