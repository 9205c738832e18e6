#!/usr/bin/env node
/**
 * weftd: the composition root, the only file that knows every part. It starts them in an order in which each finds what it
 * needs, and stops them in the reverse; the kernel's part of the work is left standing.
 */
import { basename } from 'node:path';
import tls from 'node:tls';
import { pino } from 'pino';
import type { Logger } from 'pino';
import { loadApi } from './api/definition.ts';
import { serveApi } from './api/implementation.ts';
import type { ServedApi } from './api/implementation.ts';
import { startMetrics } from './api/metrics.ts';
import { startApiServer } from './api/server.ts';
import { startTcpServer } from './api/tcp-server.ts';
import { timingMetrics } from './api/timing-metrics.ts';
import type { TimingMetrics } from './api/timing-metrics.ts';
import { readCommandLine } from './command-line.ts';
import { loadConfig } from './config.ts';
import type { Config } from './config.ts';
import { addressTaken, fits, poolExhausted } from './control/addresses.ts';
import { ClusterView } from './control/cluster-view.ts';
import { EgressLead } from './control/egress-lead.ts';
import type { ControlDeps } from './control/context.ts';
import { keepHouse } from './control/housekeeping.ts';
import { assertReadable, whenUnreadable } from './control/level.ts';
import { recordCertificates, revokedSerials } from './control/membership.ts';
import { updateNode } from './control/nodes.ts';
import type { AtFailpoint } from './control/failpoints.ts';
import { OwnRecords } from './control/ownership/own-records.ts';
import { Ownership } from './control/ownership/ownership.ts';
import type { StandingState } from './control/ownership/standing.ts';
import { followClaims } from './control/sharing/claims.ts';
import { createControl } from './control/service.ts';
import { PictureWriter } from './control/kept/writer.ts';
import { Turns } from './control/turns.ts';
import { ClusterWakes } from './control/wakes.ts';
import { followEngine } from './engines/docker/engine/follower.ts';
import { pictureOfEngine } from './engines/docker/engine/picture.ts';
import { startDockerPlugin } from './engines/docker/server.ts';
import { beginning, catchUp, live, register, sameCluster, settleStanding, suffices, takeUp } from './entry.ts';
import { armFailpoints } from './failpoints.ts';
import { takePortsDown, watchMembership } from './fenced.ts';
import { assertMountNamespace, bootId, lockStopped, machineId } from './host.ts';
import { NetlinkKernel } from './kernel/adapter.ts';
import { gatherHostFacts } from './kernel/host-facts/gather.ts';
import { ServiceManager } from './kernel/service-manager.ts';
import { sendProbe } from './kernel/probes.ts';
import { assertOverlayPortFree } from './kernel/overlay-port.ts';
import { findUnderlay, hostRoutes, underlayEvents } from './kernel/underlay.ts';
import type { ClusterSettings } from './model/cluster.ts';
import { toWeftError, WeftError } from './model/errors.ts';
import { keys, prefixes } from './model/keys.ts';
import { SYSCTLS } from './plan/tenant.ts';
import { holdPorts } from './reconcile/hold.ts';
import { ReconcileLoop } from './reconcile/loop.ts';
import type { Hold } from './reconcile/port.ts';
import { assertStillMember } from './still-member.ts';
import { nodeFiles } from './store/journal/node-files.ts';
import { pictureFile } from './store/picture/file.ts';
import { ensureIdentity, identifyNode, trustPort } from './identity.ts';
import { openNodeJournal } from './journal.ts';
import { peerClient } from './peer-client.ts';
import { pointToStore } from './point-to-store.ts';
import { Renewal } from './renewal.ts';
import { openAuthority } from './trust/authority.ts';
import { IdentityKeeper } from './trust/keeper.ts';
import { actAsNext, controlOfNext, editionOf } from './next-version.ts';
import type { Edition } from './next-version.ts';
import { addressRecord, nodeRecord } from './node-record.ts';
import { openStore } from './opened-store.ts';
import type { OpenedStore } from './opened-store.ts';
import { UnderlayFollower } from './underlay-follower.ts';

/** What the loop may do where the node is not, or may not be, the owner of its endpoints. */
const HOLDS: Partial<Record<StandingState, Hold>> = { fenced: 'down', cloned: 'down', behind: 'still' };
const clock = () => performance.now();
const STOP_DEADLINE = 10_000;

interface Host {
  config: Config;
  manager: ServiceManager;
  log: Logger;
  underlay: UnderlayFollower;
  at: AtFailpoint | undefined;
  edition: Edition;
  signal: AbortSignal;
}

async function run({ config, manager, log, at, edition, signal }: Omit<Host, 'underlay'>): Promise<void> {
  assertMountNamespace();
  const lock = await lockStopped(config);
  const underlay = new UnderlayFollower({
    underlay: await findUnderlay(config.underlay),
    find: (held) => findUnderlay(config.underlay, { held }),
    ...{ events: underlayEvents, now: () => new Date(), log },
  });
  const host: Host = { config, manager, log, underlay, at, edition, signal };
  const identity = await ensureIdentity(host);
  const keeper = new IdentityKeeper(identity);
  const opened = await openStore(host, keeper);
  try {
    await serve(host, keeper, opened);
  } catch (error) {
    if (toWeftError(error).code === 'node-forgotten') await takePortsDown({ run: config.run, log });
    throw error;
  } finally {
    opened.upkeep?.close();
    await opened.store.close();
    await lock.close();
  }
}

async function serve(host: Host, keeper: IdentityKeeper, opened: OpenedStore): Promise<void> {
  const { config, log, underlay, signal } = host;
  const { store, endpoints, upkeep } = opened;
  const vtepFamily = underlay.current.address.includes(':') ? 6 : 4;
  const api = loadApi();
  const asked = { endpoints: config.store.endpoints, port: config.api.port, keeper, api, signal };
  const pictures = pictureFile(`${config.state}/picture`, nodeFiles);
  const reachStoreAt = (addresses: readonly string[]) => store.reachAt(addresses);
  const { settings, start } = await beginning(host, {
    ...{ store, reachStoreAt, pictures, node: keeper.current.nodeId, vtepFamily, level: host.edition.level },
    assertMember: (peers) => assertStillMember({ ...asked, peers }),
  });
  const kernel = await openKernel(host, settings);
  const owner = { id: keeper.current.nodeId, name: config.node.name, bootId: bootId() };
  const journal = await openNodeJournal({ state: config.state, node: owner, log });
  const records = new OwnRecords(journal);
  const view = new ClusterView(store, records);
  const source = {
    current: () => {
      const { state, complete } = view.current();
      const recovering = ownership.isRecovering();
      // A store from a backup knows less than the kernel: nothing is taken away for that.
      return {
        state: lead.seen(state),
        complete: complete && !recovering,
        partial: view.kept !== undefined && !recovering,
        hold: HOLDS[ownership.standing.state] ?? 'none',
      };
    },
  };
  const timings = timingMetrics();
  const leads = () => lead.left();
  const loop: ReconcileLoop = new ReconcileLoop({ source, kernel, node: owner.id, settings, leads, log, timings });
  const authority = await openAuthority(config.pki);
  const renewal: Renewal = new Renewal({
    pki: config.pki,
    keeper,
    api,
    name: owner.name,
    addresses: () => [underlay.current.address],
    state: () => view.current().state,
    onIssued: (certificates, context) => recordCertificates(deps, owner.id, certificates, context),
    onRenewed: () => store.renew(),
    log,
  });
  const peers = peerClient(view, keeper, api);
  const turns = new Turns();
  const now = () => new Date();
  const ownership: Ownership = new Ownership({
    ...{ node: owner, store, records, view, peers, turns, clock, now, log, fits },
    machineId: machineId(),
    onStanding: (state) => loop.wake({ kind: 'all', reason: state }),
    applied: () => loop.applied(),
    registration: () => [
      { put: keys.node(owner.id), value: view.value(keys.node(owner.id)) ?? nodeRecord(host, owner) },
      { put: keys.nodeName(owner.name), value: owner.id },
    ],
    exhausted: (need) => poolExhausted(deps, need),
    refused: (need, holder) => addressTaken(deps, need, holder),
  });
  const mayLead = () => !ownership.isRecovering() && HOLDS[ownership.standing.state] === undefined;
  const lead: EgressLead = new EgressLead({ store, view, reconciler: loop, node: owner, mayLead, now, clock, log });
  const deps: ControlDeps = {
    ownership,
    examiners: peers,
    hostFacts: gatherHostFacts,
    probes: { send: sendProbe, seen: () => kernel.seenProbes(underlay.current.address, settings.overlayPort) },
    engineShows: config.docker.enabled ? (until) => pictureOfEngine(dockerSelf(config, deps), until) : undefined,
    trust: trustPort(keeper, authority, renewal),
    store,
    reachStoreAt,
    ...{ upkeep, underlay },
    view,
    reconciler: loop,
    turns,
    ...{ node: owner, settings, ipamOnly: config.docker.ipamOnly },
    ...{ version: host.edition.version, level: host.edition.level },
    ports: kernel.ports,
    hostRoutes,
    now,
    timings,
    at: host.at,
    log,
  };
  const wakes = new ClusterWakes();
  view.onChange((change) => {
    for (const wake of wakes.of(change, view.current().state)) loop.wake(wake);
  });
  const revocation = opened.revocationOf?.(() => revokedSerials(deps));
  onForgotten(view, () => {
    if (view.complete) void revocation?.update();
  });
  const pictureWriter = new PictureWriter({ view, keeper: pictures, node: owner.id, cluster: settings.id, now, log });
  const ended = new AbortController();
  const until = AbortSignal.any([signal, ended.signal]);
  const working = [view.run(until)];
  const refused = new AbortController();
  whenUnreadable(deps, (error) => refused.abort(error));
  const waiting = { ...host, signal: until };
  const registration = {
    record: () => ({ ...nodeRecord(host, owner), storeEndpoints: endpoints(), signs: authority !== undefined }),
    // those this node was given, or gave itself, before it was registered
    shown: [keeper.current.cert, keeper.current.client.cert],
  };
  try {
    const serving = start && suffices(start, records.entries(), log);
    if (start && serving) takeUp(deps, start);
    else await catchUp(waiting, deps);
    assertReadable(deps);
    // What stands on a host that joins is of a former identity of it, whose addresses may be others' by now.
    const known = view.current().state.nodes.has(owner.id);
    if (journal.fresh && !known) await holdPorts(kernel, { hold: 'down', attached: undefined });
    working.push(watchMembership({ node: owner, store, view, peers, standing: ownership.standing }, until));
    working.push(lead.run(until));
    let renewedFor = underlay.current.address;
    underlay.onChange(async (now, until) => {
      // Connections from the former address would be missed by their timeouts only.
      if (now.address !== renewedFor) {
        store.renew();
        peers.renew();
        renewedFor = now.address;
      }
      await updateNode(deps, { ...addressRecord(now, config), storeEndpoints: endpoints() }, until);
      renewal.look();
    });
    working.push(
      underlay.run(until),
      loop.run(until),
      keepHouse(deps, until),
      renewal.run(until),
      pictureWriter.run(until),
    );
    working.push(followClaims(deps, kernel.claims(until), until));
    if (upkeep) {
      const mayTell = () => ownership.standing.isProven();
      const guide = { view, peers, node: owner, endpoints, mayTell, clock, log };
      working.push(upkeep.run(until), pointToStore(guide, until));
    }
    if (host.edition.next) working.push(actAsNext(deps, until));
    const belong = async () => {
      if (start) await sameCluster(waiting, { store, settings, vtepFamily });
      if (serving) await catchUp(waiting, deps);
      if (revocation) working.push(revocation.run(until));
      await settleStanding(waiting, deps);
      const enter = () => register(waiting, deps, registration);
      // A node that was here before is served at once: after a boot its engine waits, and not for long.
      const first = ownership.standing.isProven() && !view.current().state.nodes.has(owner.id);
      if (first) await enter();
      const living = live(waiting, deps, first ? undefined : enter);
      working.push(living.catch((error: unknown) => refused.abort(error)));
    };
    if (serving) working.push(belong().catch((error: unknown) => refused.abort(error)));
    else await belong();
    await answer(
      host,
      { ...deps, timings, served: serveApi(api) },
      keeper,
      AbortSignal.any([until, records.failed, refused.signal]),
    );
    for (const end of [records.failed, refused.signal]) if (end.aborted) throw end.reason;
  } finally {
    ended.abort();
    // what belonging began comes after it
    for (const work of working) await work;
    await ownership.settled();
    peers.close();
    await journal.close();
    kernel.close();
  }
}

/** Serves until the signal; what fails to start ends the daemon. */
async function answer(
  { config, manager, log, underlay, edition }: Host,
  deps: ControlDeps & { timings: TimingMetrics; served: ServedApi },
  keeper: IdentityKeeper,
  signal: AbortSignal,
): Promise<void> {
  const today = createControl(deps);
  const control = edition.next ? controlOfNext(today, deps) : today;
  const { timings, served } = deps;
  const nodeName = deps.node.name;
  const api = await startApiServer({ socketPath: `${config.run}/weft.sock`, control, nodeName, log, timings, served });
  const tcp = await startTcpServer({
    ...{ address: underlay.current.address, port: config.api.port, control, nodeName, log, served },
    certificates: keeper,
    identify: (raw) => identifyNode(deps, keeper, raw),
  });
  onForgotten(deps.view, () => tcp.lookAgain());
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

function onForgotten(view: ClusterView, listener: () => void): void {
  view.onChange(({ keys }) => {
    if (!keys || keys.some((key) => key.startsWith(prefixes.forgotten))) listener();
  });
}

/** Docker knows the plugin by the name of its socket. */
function dockerSelf({ docker }: Config, deps: ControlDeps) {
  return { socketPath: docker.api, driver: basename(docker.socket, '.sock'), cluster: deps.settings.id };
}

async function openKernel({ config, log }: Host, settings: ClusterSettings): Promise<NetlinkKernel> {
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
    await assertOverlayPortFree(settings.overlayPort, (await kernel.namespaces()).length > 0);
  } catch (error) {
    kernel.close();
    throw error;
  }
  return kernel;
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

async function main(): Promise<void> {
  // Whatever is made without a mode of its own is root's alone, sockets in the moment of their making among it.
  process.umask(0o077);
  // For peers, and for etcd, which speaks it since 3.4: a client's certificate is not shown to who listens.
  tls.DEFAULT_MIN_VERSION = 'TLSv1.3';
  const asked = readCommandLine(process.argv.slice(2));
  if (!asked) return;
  const config = await loadConfig({ ...asked, environment: process.env });
  if (asked.check) {
    console.log(JSON.stringify(config, undefined, 2));
    return;
  }
  const at = armFailpoints(process.env);
  const edition = editionOf(process.env);
  const log = pino({ level: config.log.level, base: { node: config.node.name } });
  const stop = new AbortController();
  const manager = new ServiceManager({ environment: process.env, log });
  manager.keepWatch(stop.signal);
  const onSignal = (name: NodeJS.Signals) => {
    log.info({ signal: name }, 'stopping; traffic goes on');
    manager.stopping();
    stop.abort();
    setTimeout(() => process.exit(1), STOP_DEADLINE).unref();
  };
  process.once('SIGTERM', onSignal).once('SIGINT', onSignal);
  try {
    await run({ config, manager, log, at, edition, signal: stop.signal });
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  }
}

try {
  await main();
} catch (error) {
  const failure =
    error instanceof TypeError ? new WeftError('configuration-invalid', error.message) : toWeftError(error);
  console.error(`error ${failure.code}: ${failure.message}\nnext: ${failure.next}`);
  process.exitCode = 1;
}
