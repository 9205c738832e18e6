/**
 * How a node comes into its cluster when it starts: it learns the constants, registers, and proves what its journal says. While
 * etcd does not answer, what this host kept of it stands in, and the rest follows when it does.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { ControlDeps } from './control/context.ts';
import { recordCertificates } from './control/membership.ts';
import { ensureSettings, keepAlive, registerNode } from './control/nodes.ts';
import { runsStore } from './control/store-nodes.ts';
import { lacking, startFrom } from './control/kept/start.ts';
import type { Start } from './control/kept/start.ts';
import type { ClusterSettings } from './model/cluster.ts';
import { toWeftError, WeftError } from './model/errors.ts';
import { keys, prefixes } from './model/keys.ts';
import type { EpochRecord, FenceRecord, ForgottenNode, Node } from './model/objects.ts';
import type { PictureKeeper } from './store/picture/port.ts';
import type { Store } from './store/port.ts';

/** between tries, in milliseconds */
const RETRY = 1_000;
/** An etcd that starts with this host answers within it; engines wait at their socket meanwhile. */
const PATIENCE = 4_000;
const ASK_DEADLINE = 2_000;
/** who are asked whether this node is still one of them */
const MOST_PEERS = 16;

export interface EntryHost {
  log: Logger;
  /** says what is waited for */
  manager: { status(text: string): void };
  signal: AbortSignal;
}

export interface Beginning {
  settings: ClusterSettings;
  /** what to serve from until etcd answers; undefined when it does */
  start?: Start;
}

export interface BeginningOptions {
  store: Store;
  /** etcd may be there too: its host may have moved since the settings were written */
  reachStoreAt: (endpoints: string[]) => void;
  pictures: PictureKeeper;
  /** id */
  node: string;
  vtepFamily: 4 | 6;
  /** the highest of the cluster's state that this daemon reads */
  level: number;
  /**
   * Throws `node-forgotten` when the cluster has forgotten this node, which etcd shows by silence alone; `peers`: addresses
   * of other nodes that may know.
   */
  assertMember: (peers: string[]) => Promise<void>;
}

/** The constants of the cluster: from etcd, or from the picture when etcd does not answer soon. */
export async function beginning(host: EntryHost, options: BeginningOptions): Promise<Beginning> {
  const { store, reachStoreAt, pictures, node, vtepFamily, level } = options;
  const { log, signal } = host;
  const found = startFrom(await pictures.load(), node, level);
  const others = found.ok ? othersIn(found.start, node) : [];
  reachStoreAt(others.filter(runsStore).flatMap(({ storeEndpoints = [] }) => storeEndpoints));
  const end = performance.now() + PATIENCE;
  const wish = { vtepFamily, now: new Date() };
  let said = false;
  for (;;) {
    try {
      return { settings: await ensureSettings(store, wish, signal, found.ok ? ASK_DEADLINE : undefined) };
    } catch (error) {
      awaited(host, error);
      await member(options, others.flatMap(({ api }) => api ?? []).slice(0, MOST_PEERS));
    }
    if (performance.now() >= end && !said) {
      const reason = whyNot(found, options);
      if (found.ok && reason === undefined) {
        const { revision, takenAt } = found.start;
        log.warn({ revision, takenAt }, 'etcd does not answer: serving from the picture that this host kept');
        return { settings: found.start.settings, start: found.start };
      }
      log.warn({ reason }, 'etcd does not answer, and there is no picture to serve from: waiting for etcd');
      said = true;
    }
    await pause(signal);
  }
}

function whyNot(found: ReturnType<typeof startFrom>, { store, vtepFamily }: BeginningOptions): string | undefined {
  if (!found.ok) return found.reason;
  if (store.restored()) return 'etcd was restored from a backup, and that is not over';
  if (found.start.settings.vtepFamily !== vtepFamily) return 'the underlay has another address family than then';
  return undefined;
}

/** What is not known to be the cluster's any more must not be served from at the next start either. */
async function member({ pictures, assertMember }: BeginningOptions, peers: string[]): Promise<void> {
  try {
    await assertMember(peers);
  } catch (error) {
    if (toWeftError(error).code === 'node-forgotten') await pictures.discard();
    throw error;
  }
}

/** As they were when the picture was taken. */
function othersIn({ entries }: Start, node: string): Node[] {
  const nodes = entries.flatMap(({ key, value }) => (key.startsWith(prefixes.nodes) ? [value as Node] : []));
  return nodes.filter(({ id }) => id !== node);
}

/** Whether the picture knows all that this node's journal has. Said when it does not: etcd is waited for then. */
export function suffices(start: Start, own: Iterable<[string, unknown]>, log: Logger): boolean {
  const network = lacking(start, own);
  if (network !== undefined) log.warn({ network }, 'the picture lacks a network of this host: waiting for etcd');
  return network === undefined;
}

/** Serves from a picture: what it says of this node itself is heard first. Throws `node-forgotten`. */
export function takeUp({ view, ownership, node }: ControlDeps, start: Start): void {
  view.adopt(start);
  const forgotten = view.value<ForgottenNode>(keys.forgotten(node.id));
  if (forgotten) throw new WeftError('node-forgotten', `this node was forgotten by the cluster at ${forgotten.at}`);
  const fence = view.value<FenceRecord>(keys.fence(node.id));
  const epoch = view.value<EpochRecord>(keys.epoch(node.id))?.epoch;
  ownership.standing.heard({ epoch, sequence: fence?.sequence, bootId: fence?.bootId }, 'the picture on its disk');
}

/** The picture is as etcd has it. Ends when etcd has answered. */
export async function catchUp(host: EntryHost, { view }: ControlDeps): Promise<void> {
  const { signal, log } = host;
  const { kept } = view;
  await untilStore(host, () => view.sync({ deadline: RETRY, signal }));
  if (kept) log.info({ kept: kept.revision, now: view.revision }, 'etcd answers: it replaces the picture');
}

/**
 * The cluster knows this node; throws what the cluster has against it. Nobody is registered before the proof: a copy of this
 * host's disk would turn the packets of all its endpoints to itself.
 */
export async function register(
  host: EntryHost,
  deps: ControlDeps,
  { record, shown }: { record: () => Node; shown: string[] },
): Promise<void> {
  const { signal } = host;
  await untilStore(host, () => registerNode(deps, record(), signal));
  await untilStore(host, () => recordCertificates(deps, deps.node.id, shown, { signal }));
}

/** After a start from a picture: etcd may be another cluster's by now, or made anew. */
export async function sameCluster(
  host: EntryHost,
  { store, settings, vtepFamily }: { store: Store; settings: ClusterSettings; vtepFamily: 4 | 6 },
): Promise<void> {
  const { signal } = host;
  const now = await untilStore(host, () => ensureSettings(store, { vtepFamily, now: new Date() }, signal));
  if (now.id === settings.id || store.restored()) return;
  throw new WeftError('configuration-invalid', `etcd holds another cluster (${now.id}) than this host knows`, {
    object: 'store',
    next: 'systemctl restart weftd, if that is intended',
  });
}

/**
 * Until the lease of a former boot has ended, or proved to be another host's: engines wait at their socket meanwhile, since
 * what they ask for first, right after a boot, is addresses.
 */
export async function settleStanding(host: EntryHost, { ownership }: ControlDeps): Promise<void> {
  const { standing } = ownership;
  const { signal, manager } = host;
  while (!signal.aborted) {
    await untilStore(host, () => standing.prove({ deadline: RETRY, signal }));
    if (standing.state !== 'unproven') return;
    manager.status(standing.reason);
    await pause(signal);
  }
}

/**
 * While the lease of a former boot lives, another host may run as this node: its own comes after, and after `enter`, where
 * that was not done yet. Until the signal; throws what `enter` throws.
 */
export async function live(
  { log, signal }: EntryHost,
  { store, node, ownership }: ControlDeps,
  enter?: () => Promise<void>,
): Promise<void> {
  while (!signal.aborted && !ownership.standing.isProven()) await pause(signal);
  if (!signal.aborted) await enter?.();
  await keepAlive({ store, log, pause }, { node: node.id, bootId: node.bootId }, signal);
}

/** A host may start before its etcd: it waits, and says for what. */
async function untilStore<T>(host: EntryHost, work: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await work();
    } catch (error) {
      awaited(host, error, tries > 0);
      await pause(host.signal);
    }
  }
}

/** Throws what no waiting mends. */
function awaited({ log, manager, signal }: EntryHost, error: unknown, again = false): void {
  const failure = toWeftError(error);
  if (signal.aborted || failure.code !== 'store-away') throw failure;
  log[again ? 'debug' : 'warn']({ reason: failure.message }, 'waiting for the store');
  manager.status(`waiting for the store: ${failure.message}`);
}

async function pause(signal: AbortSignal): Promise<void> {
  await delay(RETRY, undefined, { signal }).catch(() => undefined);
}
