/**
 * etcd as weft-etcd.service. systemd is asked through systemctl, with fixed words and no shell: all that is wanted of it is
 * start, stop and where the process is, and `systemctl` reaches it also where no message bus runs.
 */
import { execFile } from 'node:child_process';
import { access, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { WeftError, describeCause } from '../../model/errors.ts';
import { markOf, type ProcessMark } from './process.ts';
import type { Owner, Supervisor } from './supervisor.ts';

export const UNIT = 'weft-etcd.service';

export interface UnitOptions {
  systemctl?: string;
  /** there while systemd is the init: sd_booted(3) */
  booted?: string;
}

/** milliseconds */
const CALL_DEADLINE = 5_000;
const STOP_DEADLINE = 20_000;
const run = promisify(execFile);

/** The unit has its paths fixed; a host with others runs etcd as a process of weftd's own making. */
export async function unitOf(config: { state: string; store: { binary: string } }): Promise<Supervisor | undefined> {
  return config.state === '/var/lib/weft' && config.store.binary === '/usr/bin/etcd' ? await openUnit() : undefined;
}

/** undefined: systemd does not run this host, or does not know the unit. */
export async function openUnit(options: UnitOptions = {}): Promise<UnitEtcd | undefined> {
  const booted = await access(options.booted ?? '/run/systemd/system').then(
    () => true,
    () => false,
  );
  if (!booted) return undefined;
  const systemctl = options.systemctl ?? '/usr/bin/systemctl';
  const { LoadState, User } = await show(systemctl, ['LoadState', 'User']);
  return LoadState === 'loaded' ? new UnitEtcd(systemctl, await ownerOf(User ?? '')) : undefined;
}

export class UnitEtcd implements Supervisor {
  readonly kind = 'unit';
  readonly restarts = true;
  readonly owner: Owner | undefined;
  readonly log = `journalctl -u ${UNIT}`;
  readonly #systemctl: string;

  constructor(systemctl: string, owner: Owner | undefined) {
    this.#systemctl = systemctl;
    this.owner = owner;
  }

  async find(): Promise<ProcessMark | undefined> {
    const { MainPID } = await show(this.#systemctl, ['MainPID']);
    return Number(MainPID) > 0 ? await markOf(Number(MainPID)) : undefined;
  }

  /** Does not wait: weftd's own start may be part of what systemd is doing. */
  async start(): Promise<ProcessMark | undefined> {
    await call(this.#systemctl, ['start', '--no-block', UNIT]);
    return await this.find();
  }

  async stop(): Promise<void> {
    await call(this.#systemctl, ['stop', '--no-block', UNIT]);
    const end = performance.now() + STOP_DEADLINE;
    while (!(await this.#isDown())) {
      if (performance.now() > end) throw new WeftError('store-away', `${UNIT} does not stop`, { object: UNIT });
      await sleep(50);
    }
  }

  async lastWords(): Promise<string> {
    const { ActiveState, SubState, Result, StatusText } = await show(this.#systemctl, [
      ...['ActiveState', 'SubState', 'Result', 'StatusText'],
    ]).catch((): Record<string, string> => ({}));
    return [ActiveState && `${UNIT} is ${ActiveState} (${SubState}), result ${Result}`, StatusText]
      .filter(Boolean)
      .join(': ');
  }

  async #isDown(): Promise<boolean> {
    const { ActiveState, Job } = await show(this.#systemctl, ['ActiveState', 'Job']);
    return (ActiveState === 'inactive' || ActiveState === 'failed') && (Job === '' || Job === '0' || Job === undefined);
  }
}

async function show(systemctl: string, names: string[]): Promise<Record<string, string>> {
  const text = await call(systemctl, ['show', UNIT, `--property=${names.join(',')}`]);
  const lines = text.split('\n').filter((line) => line.includes('='));
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
}

async function call(systemctl: string, args: string[]): Promise<string> {
  try {
    const options = { timeout: CALL_DEADLINE, env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' } };
    const { stdout } = await run(systemctl, ['--no-ask-password', '--no-pager', ...args], options);
    return stdout;
  } catch (cause) {
    throw new WeftError('store-away', `systemctl ${args[0]} ${UNIT}: ${describeCause(cause)}`, {
      object: UNIT,
      next: `systemctl status ${UNIT}`,
      cause,
    });
  }
}

/** Of a user that /etc/passwd has: systemd-sysusers writes there. */
async function ownerOf(user: string): Promise<Owner | undefined> {
  if (user === '' || user === 'root') return undefined;
  const lines = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'));
  const found = lines.find(([name]) => name === user);
  if (found) return { uid: Number(found[2]), gid: Number(found[3]) };
  throw new WeftError('configuration-invalid', `${UNIT} runs as ${user}, a user that this host does not have`, {
    object: UNIT,
    next: 'systemd-sysusers weft.conf',
  });
}
