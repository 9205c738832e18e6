/** The kernel as weftd works on it. Throws when something else has the overlay's port. */
import type { Logger } from 'pino';
import type { Config } from './config.ts';
import { NetlinkKernel } from './kernel/adapter.ts';
import { assertOverlayPortFree } from './kernel/overlay-port.ts';
import { SYSCTLS } from './plan/tenant.ts';

interface Host {
  config: Pick<Config, 'run'>;
  log: Logger;
}

export async function openKernel(
  { config, log }: Host,
  { overlayPort }: { overlayPort: number },
): Promise<NetlinkKernel> {
  const kernel = new NetlinkKernel({
    folder: `${config.run}/netns`,
    sysctls: SYSCTLS.map(([path]) => path),
    onMonitorFailure: (error) =>
      log.error({ err: error }, 'a kernel monitor ended; drift is found by the periodic look'),
    ...(log.isLevelEnabled('trace') && {
      wire: (line: string, namespace: string) => log.trace({ namespace: namespace || 'host' }, `netlink ${line}`),
    }),
  });
  try {
    await assertOverlayPortFree(overlayPort, (await kernel.namespaces()).length > 0);
  } catch (error) {
    kernel.close();
    throw error;
  }
  return kernel;
}
