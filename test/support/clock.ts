/** A wall clock that jumps, for weftd of one host alone: never the machine's, and never the monotonic one, as with a real jump. */
import { existsSync } from 'node:fs';
import type { Examination } from '../../src/control/examination/port.ts';
import type { LabHost } from '../../src/lab/lab.ts';
import { run } from './docker.ts';

const LIBRARY = '/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1'.replace(
  'x86_64',
  process.arch === 'arm64' ? 'aarch64' : 'x86_64',
);
const FILE = '/run/weft-lab/clock';

/** Debian's libfaketime, which `npm run setup` installs. */
export const hasClock = existsSync(LIBRARY);

/** Takes effect within a second. `offset`: seconds from the true time. */
export async function setClock(host: LabHost, offset: number): Promise<void> {
  const text = `${offset < 0 ? '' : '+'}${offset}`;
  await run(host, 'sh', '-c', `echo "$1" >${FILE}.new && mv ${FILE}.new ${FILE}`, 'sh', text);
}

/** Nodes whose clock `weft doctor` finds off. */
export async function clocksOff(asked: LabHost): Promise<string[]> {
  const { stdout } = await asked.exec(['weft', 'doctor', '-o', 'json'], { timeout: 60_000 });
  const { findings } = JSON.parse(stdout) as Examination;
  return findings.filter(({ code }) => code === 'clock-offset').map(({ node }) => node);
}

/** For a weftd whose clock is to be set. Without the library there is nothing to set. */
export const CLOCK_ENVIRONMENT: Record<string, string> = hasClock
  ? {
      LD_PRELOAD: LIBRARY,
      FAKETIME_TIMESTAMP_FILE: FILE,
      FAKETIME_CACHE_DURATION: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    }
  : {};

/** Restarts weftd, before and after. */
export async function withOwnClock(host: LabHost, work: () => Promise<void>): Promise<void> {
  await setClock(host, 0);
  await host.kill('weftd');
  await host.start('weftd', { env: CLOCK_ENVIRONMENT });
  await work();
  await host.kill('weftd');
  await host.start('weftd');
}
