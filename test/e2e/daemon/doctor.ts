/** What `weft doctor` says on a host. */
import type { Examination } from '../../../src/control/examination/port.ts';
import type { LabHost } from '../../../src/lab/lab.ts';

export async function doctor(host: LabHost, ...flags: string[]): Promise<Examination & { exitCode: number }> {
  const { exitCode, stdout } = await host.exec(['weft', 'doctor', ...flags, '-o', 'json'], { timeout: 60_000 });
  return { exitCode, ...(JSON.parse(stdout) as Examination) };
}
