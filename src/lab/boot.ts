/**
 * A host comes up: network, mount, UTS and pid namespaces of its own, held by a process that is their pid 1. To kill that
 * one is to cut the host's power: the kernel ends every process in there, and with the last of them go the mounts, the
 * links and the namespaces. What is on the host's disk stays.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { once } from 'node:events';
import { WeftError } from '../model/errors.ts';
import { LAB_VARIABLE, processStatus } from './process-table.ts';
import { CHECKOUT, diskDirectory } from './state.ts';
import type { HostState, ProcessId } from './state.ts';

export const HOST_PATH = '/run/weft-lab/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const BOOT_DEADLINE = 10_000;

/**
 * Runs as pid 1 until it becomes tini. Every mount is the host's own and none is seen outside of it.
 * - /run is empty at each boot. /etc, /opt and /var/lib are the machine's with the host's changes laid over them; what
 *   keeps layers of its own or counts on fsync is a plain directory of the host's disk.
 * - what is shared under /dev/shm is named by pids, which every host has of its own.
 * - /sys must be mounted anew to show the links of this network namespace; that hides the cgroup mounts below it, which
 *   are put back (without them dockerd ends with "Devices cgroup isn't mounted").
 * - The boot id is otherwise the machine's, the same for all hosts and for all their lives.
 */
const INIT = `
set -eu
disk=$1 name=$2 machine_id=$3 node=$4 checkout=$5
read -r pid rest </proc/self/stat # /proc is still the machine's: the pid that others know us by
hostname "$name"
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs -o mode=755,nosuid,nodev tmpfs /run
[ ! -d /dev/shm ] || mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs /dev/shm
mkdir -p /run/lock /run/cgroup /run/disk /run/weft-lab/bin
mount --rbind /sys/fs/cgroup /run/cgroup
mount -t sysfs sysfs /sys
mount --move /run/cgroup /sys/fs/cgroup
mount --bind "$disk" /run/disk
for path in /etc /opt /var/lib; do
  layer=/run/disk/changes$path
  mkdir -p "$layer/upper" "$layer/work"
  mount -t overlay -o "lowerdir=$path,upperdir=$layer/upper,workdir=$layer/work" overlay "$path"
done
for path in /var/lib/docker /var/lib/containerd /var/lib/weft /var/log; do
  mkdir -p "/run/disk$path" "$path"
  mount --bind "/run/disk$path" "$path"
done
umount /run/disk
rmdir /run/disk /run/cgroup
echo "$machine_id" >/etc/machine-id
echo "$name" >/etc/hostname
cat /proc/sys/kernel/random/uuid >/run/weft-lab/boot-id
mount --bind /run/weft-lab/boot-id /proc/sys/kernel/random/boot_id
ln -s /usr/bin/docker /run/weft-lab/bin/docker
ln -s "$node" /run/weft-lab/bin/node
ln -s "$checkout/dist/bin/weft.js" /run/weft-lab/bin/weft
ln -s "$checkout/dist/bin/weftd.js" /run/weft-lab/bin/weftd
ip link set lo up
echo 1 >/proc/sys/net/ipv4/ip_forward
echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
echo "$pid"
exec >/dev/null 2>&1
exec tini -s -- sleep infinity
`;

/** The environment of all that runs on a host: nothing of the caller's (proxies, DOCKER_HOST) but the terminal's. */
export function hostEnvironment(lab: string): Record<string, string> {
  const { TERM, LANG } = process.env;
  return {
    [LAB_VARIABLE]: lab,
    PATH: HOST_PATH,
    HOME: '/root',
    DOCKER_CONFIG: '/run/weft-lab/docker',
    LANG: LANG ?? 'C.UTF-8',
    ...(TERM === undefined ? {} : { TERM }),
  };
}

export async function bootHost(lab: string, host: HostState): Promise<ProcessId> {
  const disk = diskDirectory(lab, host.name);
  await mkdir(disk, { recursive: true, mode: 0o755 });
  const namespaces = ['--net', '--mount', '--uts', '--ipc', '--pid', '--fork'];
  const values = [disk, host.name, host.machineId, process.execPath, CHECKOUT];
  return hold(lab, host.name, [...namespaces, '--', '/bin/sh', '-c', INIT, 'init', ...values]);
}

/** A network namespace alone, for the switch between the hosts. */
export async function bootSwitch(lab: string): Promise<ProcessId> {
  const script = 'echo $$; exec sleep infinity >/dev/null 2>&1';
  return hold(lab, 'the switch', ['--net', '--', '/bin/sh', '-c', script]);
}

/** Runs `unshare`, which outlives us, until its process says its pid in one line: then all is mounted. */
async function hold(lab: string, what: string, args: string[]): Promise<ProcessId> {
  const child = spawn('unshare', args, {
    detached: true,
    cwd: '/',
    env: hostEnvironment(lab),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  try {
    const pid = Number(await firstLine(child));
    const status = Number.isInteger(pid) ? await processStatus(pid) : undefined;
    if (status === undefined) throw new Error('it ended as soon as it had begun');
    return { pid, started: status.started };
  } catch (error) {
    child.kill('SIGKILL');
    throw new WeftError('lab-failed', `${what} does not come up`, { cause: error, object: lab });
  } finally {
    child.stdout.destroy();
    child.stderr.destroy();
    child.unref();
  }
}

async function firstLine(child: ChildProcess): Promise<string> {
  const { stdout, stderr } = child;
  if (stdout === null || stderr === null) throw new Error('no pipes');
  let complaint = '';
  stderr.setEncoding('utf8').on('data', (text: string) => (complaint = `${complaint}${text}`.slice(-2000)));
  const deadline = AbortSignal.timeout(BOOT_DEADLINE);
  const lines = createInterface({ input: stdout });
  const ended = once(child, 'close', { signal: deadline }).then(() => undefined);
  const line = await Promise.race([once(lines, 'line', { signal: deadline }), ended]);
  ended.catch(() => undefined);
  if (line === undefined) throw new Error(complaint.trim() || 'it ended without a word');
  return String(line[0]);
}
