/** What weftd answers at: its sockets, its port for nodes and operators, Docker's plugin, metrics. */
import { serveApi } from './api/implementation.ts';
import { startMetrics } from './api/metrics.ts';
import { startApiServer } from './api/server.ts';
import { startTcpServer } from './api/tcp-server.ts';
import { dockerSelf, onForgotten } from './composition.ts';
import type { Host, Parts } from './composition.ts';
import { createControl } from './control/service.ts';
import { followEngine } from './engines/docker/engine/follower.ts';
import { startDockerPlugin } from './engines/docker/server.ts';
import { identifyNode } from './identity.ts';
import { controlOfNext } from './next-version.ts';

/** Until the signal; what fails to start ends the daemon. */
export async function answer(host: Host, parts: Parts, signal: AbortSignal): Promise<void> {
  const { config, manager, log, underlay, edition } = host;
  const { deps, keeper, timings, view } = parts;
  const today = createControl(deps);
  const control = edition.next ? controlOfNext(today, deps) : today;
  const served = serveApi(parts.api);
  const nodeName = deps.node.name;
  const api = await startApiServer({ socketPath: `${config.run}/weft.sock`, control, nodeName, log, timings, served });
  const tcp = await startTcpServer({
    ...{ address: underlay.current.address, port: config.api.port, control, nodeName, log, served },
    certificates: keeper,
    identify: (raw) => identifyNode(deps, keeper, raw),
  });
  onForgotten(view, () => tcp.lookAgain());
  underlay.onChange(({ address }) => tcp.listenAt(address));
  const { enabled: measured, port } = config.metrics;
  const notAfter = () => keeper.current.notAfter;
  const metrics = measured ? await startMetrics({ port, control, notAfter, timings, log }) : undefined;
  const { socket: socketPath, enabled } = config.docker;
  const descriptor = manager.passedSocket('docker');
  const docker = enabled
    ? await startDockerPlugin({
        ...{ socketPath, descriptor, control: control.engines, nodeName, log, timings, signal },
        at: deps.at,
      })
    : undefined;
  const following = enabled
    ? followEngine({ ...dockerSelf(config, deps), following: control.following, log }, signal)
    : undefined;
  log.info({ id: deps.node.id, version: edition.version }, 'ready');
  manager.ready();
  await aborted(signal);
  await Promise.all([following, docker?.close(), metrics?.close(), tcp.close(), api.close()]);
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
