/**
 * A process that outlives the one that started it, known again by its pid, the time it began and the boot it belongs to:
 * a pid alone may have been given to another since.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

export interface ProcessMark {
  pid: number;
  /** clock ticks since boot, from /proc/PID/stat */
  startTime: string;
  bootId: string;
}

export interface Launch {
  binary: string;
  args: string[];
  /** its working directory, by which `find` knows it */
  directory: string;
  logPath: string;
}

const MAX_LOG_BYTES = 16 * 1024 * 1024;

/**
 * Starts a process in a session of its own, its output appended to a file of mode 0600. Rejects when the binary cannot be
 * run; undefined when it has ended already.
 */
export async function launch({ binary, args, directory, logPath }: Launch): Promise<ProcessMark | undefined> {
  await keepLogSmall(logPath);
  const log = await open(logPath, 'a', 0o600);
  try {
    const child = spawn(binary, args, {
      cwd: directory,
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
      // nothing of ours leaks into it: etcd reads ETCD_* from its environment
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
    });
    await once(child, 'spawn');
    child.unref();
    return child.pid === undefined ? undefined : await markOf(child.pid);
  } finally {
    await log.close();
  }
}

/** undefined for a pid that is free, or a zombie's. */
export async function markOf(pid: number): Promise<ProcessMark | undefined> {
  try {
    const [text, bootId] = await Promise.all([
      readFile(`/proc/${pid}/stat`, 'utf8'),
      readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
    ]);
    // the second field is a name in parentheses that may contain anything; the third is the state, the 22nd the start
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const startTime = fields[19];
    if (startTime === undefined || fields[0] === 'X') return undefined;
    // while other threads of it are on their way out, its files are locked and its ports taken
    if (fields[0] === 'Z' && (await readdir(`/proc/${pid}/task`)).length < 2) return undefined;
    return { pid, startTime, bootId: bootId.trim() };
  } catch {
    return undefined;
  }
}

export async function isAlive(mark: ProcessMark): Promise<boolean> {
  const now = await markOf(mark.pid);
  return now?.startTime === mark.startTime && now.bootId === mark.bootId;
}

export async function saveMark(path: string, mark: ProcessMark): Promise<void> {
  await writeFile(`${path}.tmp`, JSON.stringify(mark), { mode: 0o600 });
  await rename(`${path}.tmp`, path);
}

/** The living process of a pid file, else the one that was launched by a daemon killed before it wrote the file. */
export async function findProcess(path: string, { args, directory }: Launch): Promise<ProcessMark | undefined> {
  const saved = await readMark(path);
  if (saved && (await isAlive(saved))) return saved;
  const home = await stat(directory);
  for (const name of await readdir('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || !(await isLaunched(pid, args, home))) continue;
    const mark = await markOf(pid);
    if (mark) return mark;
  }
  return undefined;
}

/** SIGTERM, SIGKILL after `grace` milliseconds; resolves when it is gone. */
export async function endProcess(mark: ProcessMark, grace: number): Promise<void> {
  await kill(mark, 'SIGTERM');
  // a stopped process takes its SIGTERM only when it goes on
  await kill(mark, 'SIGCONT');
  const patience = performance.now() + grace;
  let killed = false;
  while (await isAlive(mark)) {
    if (!killed && performance.now() > patience) {
      await kill(mark, 'SIGKILL');
      killed = true;
    }
    await sleep(20);
  }
}

async function kill(mark: ProcessMark, signal: NodeJS.Signals): Promise<void> {
  if (!(await isAlive(mark))) return;
  try {
    process.kill(mark.pid, signal);
  } catch {
    // it ended meanwhile
  }
}

async function readMark(path: string): Promise<ProcessMark | undefined> {
  try {
    const mark = JSON.parse(await readFile(path, 'utf8')) as Partial<ProcessMark>;
    const { pid, startTime, bootId } = mark;
    if (!Number.isInteger(pid) || pid === undefined || startTime === undefined || bootId === undefined)
      return undefined;
    return { pid, startTime, bootId };
  } catch {
    return undefined;
  }
}

/** The working directory is compared by device and inode: the same path is another place in another mount namespace. */
async function isLaunched(pid: number, args: string[], home: { dev: number; ino: number }): Promise<boolean> {
  try {
    const commandLine = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0').slice(1, -1);
    if (commandLine.join('\0') !== args.join('\0')) return false;
    const { dev, ino } = await stat(`/proc/${pid}/cwd`);
    return dev === home.dev && ino === home.ino;
  } catch {
    return false;
  }
}

async function keepLogSmall(path: string): Promise<void> {
  const size = await stat(path).then(
    (found) => found.size,
    () => 0,
  );
  if (size < MAX_LOG_BYTES) return;
  await rm(`${path}.1`, { force: true });
  await rename(path, `${path}.1`);
}
