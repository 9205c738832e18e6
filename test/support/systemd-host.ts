/** A host whose pid 1 is systemd, with weft's units installed: namespaces of its own, a cgroup of its own, nothing shared. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, rmdirSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { until } from './until.ts';

export const SYSTEMD = '/lib/systemd/systemd';
const CHECKOUT = new URL('../..', import.meta.url).pathname.replace(/\/$/, '');
/** Where the machine has version 2 of control groups, which systemd wants for itself. */
const GROUPS = ['/sys/fs/cgroup/unified', '/sys/fs/cgroup'].find((path) => existsSync(`${path}/cgroup.procs`));

/**
 * Becomes pid 1. Nothing of the machine's may be started or written: its own start would empty /tmp, for one. So systemd
 * looks for units in one folder of ours only, runs no generator, the root file system is read-only in here, and what must be
 * written to is in memory.
 */
const INIT = `
set -eu
folder=$1 node=$2 checkout=$3
hostname host1
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/lock /run/overlay /run/files
cp -r "$folder"/etc /run/files/
for path in /etc /usr/bin /var/lib; do
  mkdir -p "/run/overlay$path/upper" "/run/overlay$path/work"
  mount -t overlay -o "lowerdir=$path,upperdir=/run/overlay$path/upper,workdir=/run/overlay$path/work" overlay "$path"
done
mkdir -p /var/lib/weft
mount -t tmpfs tmpfs /etc/systemd/system
umount -R -l /sys/fs/cgroup 2>/dev/null || true
mount -t sysfs sysfs /sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir /run/checkout
mount --bind "$checkout" /run/checkout
checkout=/run/checkout
for path in / /run/checkout; do mount -o remount,bind,ro "$path"; done
for path in /tmp /var/tmp /var/log; do mount -t tmpfs -o mode=1777 tmpfs "$path"; done
for path in /opt /srv /run/checkout; do
  if touch "$path/weft-test" 2>/dev/null; then echo "$path can be written to" >&2; exit 1; fi
done
cp "$checkout"/plugins/systemd/*.service "$checkout"/plugins/systemd/*.socket /etc/systemd/system/
mkdir -p /etc/sysusers.d /etc/weft
cp "$checkout/plugins/systemd/weft.sysusers" /etc/sysusers.d/weft.conf
systemd-sysusers weft.conf
cp -r /run/files/etc/. /etc/
[ -e /usr/bin/node ] || ln -s "$node" /usr/bin/node
ln -s "$checkout/dist/bin/weft.js" /usr/bin/weft
ln -s "$checkout/dist/bin/weftd.js" /usr/bin/weftd
for target in start sysinit basic network-online shutdown; do
  printf '[Unit]\\nDescription=nothing\\nDefaultDependencies=no\\n' >/etc/systemd/system/$target.target
done
ip link set lo up
ip link add eth0 type veth peer name eth0-far
ip address add 192.0.2.1/24 dev eth0
ip link set eth0-far up
ip link set eth0 up
export container=test SYSTEMD_UNIT_PATH=/etc/systemd/system SYSTEMD_GENERATOR_PATH=/run/none
exec ${SYSTEMD} --system --unit=start.target --log-target=null --show-status=0
`;

export class SystemdHost {
  readonly #unshare: ChildProcess;
  readonly #group: string;
  readonly #folder: string;
  /** of its pid 1, in the machine's numbering */
  #pid = 0;

  private constructor(unshare: ChildProcess, group: string, folder: string) {
    this.#unshare = unshare;
    this.#group = group;
    this.#folder = folder;
  }

  /** Rejects with a reason where systemd cannot run in namespaces. `files`: below /etc. */
  static async boot(files: Record<string, string>): Promise<SystemdHost> {
    if (GROUPS === undefined) throw new Error('no control groups of version 2');
    const folder = mkdtempSync(join(tmpdir(), 'weft-systemd-'));
    const group = `${GROUPS}/weft-systemd-${process.pid}`;
    mkdirSync(group);
    mkdirSync(join(folder, 'etc'));
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(join(folder, 'etc', path, '..'), { recursive: true });
      writeFileSync(join(folder, 'etc', path), content, { mode: 0o644 });
    }
    const enter = `echo $$ >${group}/cgroup.procs && exec unshare --mount --pid --fork --kill-child --uts --ipc --net --cgroup "$@"`;
    const unshare = spawn(
      '/bin/sh',
      ['-c', enter, 'sh', '/bin/sh', '-c', INIT, 'init', folder, process.execPath, CHECKOUT],
      {
        stdio: ['ignore', 'ignore', 'pipe'],
        env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' },
      },
    );
    let complaints = '';
    unshare.stderr.on('data', (data: Buffer) => (complaints += data.toString()));
    const host = new SystemdHost(unshare, group, folder);
    try {
      await until(() => host.#isRunning(complaints), { what: 'systemd to run', deadline: 30_000, every: 100 });
      return host;
    } catch (error) {
      await host.down();
      throw new Error(`systemd does not run in namespaces: ${complaints.trim().slice(-500)}`, { cause: error });
    }
  }

  async exec(...command: string[]): Promise<{ stdout: string; stderr: string; exitCode: number }> {
    const args = ['-t', String(this.#pid), '-m', '-p', '-u', '-i', '-n', '-C', '--', 'timeout', '30', ...command];
    const { stdout, stderr, exitCode } = await execa('nsenter', args, { reject: false, stdin: 'ignore' });
    return { stdout, stderr, exitCode: exitCode ?? -1 };
  }

  /** What it prints; rejects with what it complains of. */
  async run(...command: string[]): Promise<string> {
    const { stdout, stderr, exitCode } = await this.exec(...command);
    if (exitCode !== 0) throw new Error(`${command.join(' ')}: ${stderr || stdout}`);
    return stdout;
  }

  /** One property of a unit. */
  async property(unit: string, name: string): Promise<string> {
    return (await this.run('systemctl', 'show', unit, '--value', `--property=${name}`)).trim();
  }

  /** A file as the host sees it; '' for none. */
  async read(path: string): Promise<string> {
    return readFile(`/proc/${this.#pid}/root${path}`, 'utf8').catch(() => '');
  }

  /** As a cut of its power would. */
  async down(): Promise<void> {
    if (this.#pid > 0) process.kill(this.#pid, 'SIGKILL');
    else this.#unshare.kill('SIGKILL');
    const ended = () => this.#unshare.exitCode !== null || this.#unshare.signalCode !== null;
    await until(ended, { what: 'systemd to end' });
    await until(() => this.#removeGroups(), { what: 'its control groups to be empty' });
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #isRunning(complaints: string): Promise<boolean> {
    const { pid, exitCode } = this.#unshare;
    if (exitCode !== null) throw new Error(complaints);
    const child = Number(await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => ''));
    if (!child || !(await readFile(`/proc/${child}/cmdline`, 'utf8').catch(() => '')).startsWith(SYSTEMD)) return false;
    this.#pid = child;
    return (await this.exec('systemctl', 'is-system-running')).stdout.trim() === 'running';
  }

  async #removeGroups(): Promise<boolean> {
    const { stdout } = await execa('find', [this.#group, '-depth', '-type', 'd'], { reject: false });
    try {
      for (const path of stdout.split('\n').filter(Boolean)) rmdirSync(path);
    } catch {
      return false;
    }
    return true;
  }
}
