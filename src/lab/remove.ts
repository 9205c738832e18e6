/** Takes a lab away, whatever state it is in: half raised, broken by hand, or known by its disks only. */
import { removeControlGroups } from './control-groups.ts';
import { commandOf, processesOfLab, processIds } from './process-table.ts';
import { forgetLab } from './state.ts';
import { until } from './wait.ts';

const DEADLINE = 15_000;
const ZOMBIE_DEADLINE = 3000;

/**
 * Killing a host's pid 1 ends all that runs on the host; the kernel then drops its mounts, links and namespaces. Its disk
 * and the record of the lab go last, so that a `down` that was cut short can be repeated.
 */
export async function removeLab(name: string): Promise<void> {
  const killed = new Set<number>();
  const options = { what: `processes of lab ${name} are still there`, deadline: DEADLINE };
  await until(() => killAll(name, killed), options);
  await waitForZombies(killed);
  await removeControlGroups(name);
  await forgetLab(name);
}

/**
 * True when nothing was left to kill. The `unshare` above each pid 1 is left to end by itself: it waits for its child,
 * which would otherwise be a zombie until the machine's own pid 1 cares.
 */
async function killAll(lab: string, killed: Set<number>): Promise<boolean> {
  const pids = await processesOfLab(lab);
  for (const pid of pids) {
    killed.add(pid);
    if ((await commandOf(pid)) === 'unshare') continue;
    try {
      process.kill(pid, 'SIGKILL');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
  return pids.length === 0;
}

/** Of what another `weft` had started, the machine's pid 1 is the parent by now, and takes up to a second to wait. */
async function waitForZombies(pids: Set<number>): Promise<void> {
  const gone = async (): Promise<boolean> => {
    const left = await processIds();
    return !left.some((pid) => pids.has(pid));
  };
  // a zombie holds nothing of the lab: one that nobody waits for is no reason to fail
  await until(gone, { what: 'zombies are left', deadline: ZOMBIE_DEADLINE }).catch(() => undefined);
}
