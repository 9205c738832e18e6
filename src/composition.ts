/**
 * The composition root: the only file that knows every part. It gives each what it needs of the others, and begins nothing
 * (daemon.ts does).
 */
import { basename } from 'node:path';
import type { Logger } from 'pino';
import type { Api } from './api/definition.ts';
import type { PeerClient } from './api/peer-client.ts';
import { timingMetrics } from './api/timing-metrics.ts';
import type { TimingMetrics } from './api/timing-metrics.ts';
import type { Config } from './config.ts';
import { addressTaken, fits, poolExhausted } from './control/addresses.ts';
import { ClusterView } from './control/cluster-view.ts';
import type { ControlDeps } from './control/context.ts';
import { EgressLead } from './control/egress-lead.ts';
import type { AtFailpoint } from './control/failpoints.ts';
import { recordCertificates, revokedSerials } from './control/membership.ts';
import { PictureWriter } from './control/kept/writer.ts';
import { OwnRecords } from './control/ownership/own-records.ts';
import { Ownership } from './control/ownership/ownership.ts';
import type { StandingState } from './control/ownership/standing.ts';
import { Turns } from './control/turns.ts';
import { ClusterWakes } from './control/wakes.ts';
import { pictureOfEngine } from './engines/docker/engine/picture.ts';
import { bootId, machineId } from './host.ts';
import { trustPort } from './identity.ts';
import type { NetlinkKernel } from './kernel/adapter.ts';
import { gatherHostFacts } from './kernel/host-facts/gather.ts';
import { sendProbe } from './kernel/probes.ts';
import type { ServiceManager } from './kernel/service-manager.ts';
import { hostRoutes } from './kernel/underlay.ts';
import type { ClusterSettings } from './model/cluster.ts';
import { keys, prefixes } from './model/keys.ts';
import type { Edition } from './next-version.ts';
import { nodeRecord } from './node-record.ts';
import type { OpenedStore } from './opened-store.ts';
import { peerClient } from './peer-client.ts';
import { ReconcileLoop } from './reconcile/loop.ts';
import type { Hold } from './reconcile/port.ts';
import { Renewal } from './renewal.ts';
import type { Revocation } from './revocation.ts';
import type { Journal } from './store/journal/port.ts';
import type { PictureKeeper } from './store/picture/port.ts';
import type { Authority } from './trust/authority.ts';
import type { IdentityKeeper } from './trust/keeper.ts';
import type { UnderlayFollower } from './underlay-follower.ts';

/** What the loop may do where the node is not, or may not be, the owner of its endpoints. */
const HOLDS: Partial<Record<StandingState, Hold>> = { fenced: 'down', cloned: 'down', behind: 'still' };
const now = () => new Date();
export const clock = () => performance.now();

/** What a daemon is started with. */
export interface Host {
  config: Config;
  manager: ServiceManager;
  log: Logger;
  underlay: UnderlayFollower;
  at: AtFailpoint | undefined;
  edition: Edition;
  signal: AbortSignal;
}

/** What has to be open, and known, before the rest can be put together. */
export interface Foundation {
  keeper: IdentityKeeper;
  opened: OpenedStore;
  api: Api;
  settings: ClusterSettings;
  kernel: NetlinkKernel;
  journal: Journal;
  pictures: PictureKeeper;
  authority: Authority | undefined;
}

export interface Parts extends Foundation {
  deps: ControlDeps;
  records: OwnRecords;
  view: ClusterView;
  loop: ReconcileLoop;
  lead: EgressLead;
  peers: PeerClient;
  renewal: Renewal;
  ownership: Ownership;
  /** hears the view from its beginning */
  pictureWriter: PictureWriter;
  /** where this host runs etcd */
  revocation: Revocation | undefined;
  timings: TimingMetrics;
}

export function compose(host: Host, foundation: Foundation): Parts {
  const { config, log, underlay } = host;
  const { keeper, opened, api, settings, kernel, journal, pictures, authority } = foundation;
  const { store } = opened;
  const owner = { id: keeper.current.nodeId, name: config.node.name, bootId: bootId() };
  const records = new OwnRecords(journal);
  const view = new ClusterView(store, records);
  const timings = timingMetrics();
  const loop: ReconcileLoop = new ReconcileLoop({
    source: { current: () => desired({ view, ownership, lead }) },
    leads: () => lead.left(),
    ...{ kernel, node: owner.id, settings, log, timings },
  });
  const renewal: Renewal = new Renewal({
    ...{ pki: config.pki, keeper, api, name: owner.name, log },
    addresses: () => [underlay.current.address],
    state: () => view.current().state,
    onIssued: (certificates, context) => recordCertificates(deps, owner.id, certificates, context),
    onRenewed: () => store.renew(),
  });
  const peers = peerClient(view, keeper, api);
  const turns = new Turns();
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
    ...{ ownership, store, view, reconciler: loop, turns, node: owner, settings },
    ...{ underlay, hostRoutes, now, timings, log },
    upkeep: opened.upkeep,
    reachStoreAt: (addresses) => store.reachAt(addresses),
    ports: kernel.ports,
    ipamOnly: config.docker.ipamOnly,
    trust: trustPort(keeper, authority, renewal),
    engineShows: config.docker.enabled ? (until) => pictureOfEngine(dockerSelf(config, deps), until) : undefined,
    hostFacts: gatherHostFacts,
    probes: { send: sendProbe, seen: () => kernel.seenProbes(underlay.current.address, settings.overlayPort) },
    examiners: peers,
    ...{ version: host.edition.version, level: host.edition.level, at: host.at },
  };
  const revocation = opened.revocationOf?.(() => revokedSerials(deps));
  listen({ view, loop, revocation });
  const kept = { view, store, keeper: pictures, node: owner.id, cluster: settings.id };
  const pictureWriter = new PictureWriter({ ...kept, now, log });
  return {
    ...{ ...foundation, deps, records, view, loop, lead, peers, renewal, ownership },
    ...{ pictureWriter, revocation, timings },
  };
}

/** What the loop goes by. A store from a backup knows less than the kernel: nothing is taken away for that. */
function desired({ view, ownership, lead }: Pick<Parts, 'view' | 'ownership' | 'lead'>) {
  const { state, complete } = view.current();
  const recovering = ownership.isRecovering();
  return {
    state: lead.seen(state),
    complete: complete && !recovering,
    partial: view.kept !== undefined && !recovering,
    hold: HOLDS[ownership.standing.state] ?? 'none',
  };
}

function listen({ view, loop, revocation }: Pick<Parts, 'view' | 'loop' | 'revocation'>): void {
  const wakes = new ClusterWakes();
  view.onChange((change) => {
    for (const wake of wakes.of(change, view.current().state)) loop.wake(wake);
  });
  onForgotten(view, () => {
    if (view.complete) void revocation?.update();
  });
}

/** A node may have been forgotten: who was known as one of the cluster is to be looked at again. */
export function onForgotten(view: ClusterView, listener: () => void): void {
  view.onChange(({ keys }) => {
    if (!keys || keys.some((key) => key.startsWith(prefixes.forgotten))) listener();
  });
}

/** Docker knows the plugin by the name of its socket. */
export function dockerSelf({ docker }: Config, deps: ControlDeps) {
  return { socketPath: docker.api, driver: basename(docker.socket, '.sock'), cluster: deps.settings.id };
}
