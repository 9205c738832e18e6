/**
 * The life of weftd: its parts begin in an order in which each finds what it needs, and end in the reverse; the kernel's part
 * of the work is left standing.
 */
import { loadApi } from './api/definition.ts';
import { clock, compose } from './composition.ts';
import type { Foundation, Host, Parts } from './composition.ts';
import { keepHouse, repeatHints } from './control/housekeeping.ts';
import type { Start } from './control/kept/start.ts';
import { assertReadable, whenUnreadable } from './control/level.ts';
import { updateNode } from './control/nodes.ts';
import { followClaims } from './control/sharing/claims.ts';
import { beginning, catchUp, live, register, sameCluster, settleStanding, suffices, takeUp } from './entry.ts';
import { takePortsDown, watchMembership } from './fenced.ts';
import { assertMountNamespace, bootId, lockStopped } from './host.ts';
import { ensureIdentity } from './identity.ts';
import { openNodeJournal } from './journal.ts';
import { findUnderlay, underlayEvents } from './kernel/underlay.ts';
import { toWeftError } from './model/errors.ts';
import { actAsNext } from './next-version.ts';
import { addressRecord, nodeRecord } from './node-record.ts';
import { openKernel } from './opened-kernel.ts';
import { openStore } from './opened-store.ts';
import type { OpenedStore } from './opened-store.ts';
import { pointToStore } from './point-to-store.ts';
import { holdPorts } from './reconcile/hold.ts';
import { answer } from './serving.ts';
import { assertStillMember } from './still-member.ts';
import { nodeFiles } from './store/journal/node-files.ts';
import { pictureFile } from './store/picture/file.ts';
import { openAuthority } from './trust/authority.ts';
import { IdentityKeeper } from './trust/keeper.ts';
import { UnderlayFollower } from './underlay-follower.ts';

/** Until the signal; throws what ends the daemon. */
export async function runDaemon({ config, manager, log, at, edition, signal }: Omit<Host, 'underlay'>): Promise<void> {
  assertMountNamespace();
  const lock = await lockStopped(config);
  const underlay = new UnderlayFollower({
    underlay: await findUnderlay(config.underlay),
    find: (held) => findUnderlay(config.underlay, { held }),
    ...{ events: underlayEvents, now: () => new Date(), log },
  });
  const host: Host = { config, manager, log, underlay, at, edition, signal };
  const keeper = new IdentityKeeper(await ensureIdentity(host));
  const opened = await openStore(host, keeper);
  try {
    await serve(host, await begin(host, keeper, opened));
  } catch (error) {
    if (toWeftError(error).code === 'node-forgotten') await takePortsDown({ run: config.run, log });
    throw error;
  } finally {
    opened.upkeep?.close();
    await opened.store.close();
    await lock.close();
  }
}

interface Begun {
  foundation: Foundation;
  /** what to serve from until etcd answers; undefined when it does */
  start: Start | undefined;
}

/** The constants of the cluster are known then, and kernel and journal open. */
async function begin(host: Host, keeper: IdentityKeeper, opened: OpenedStore): Promise<Begun> {
  const { config, log, signal } = host;
  const { store } = opened;
  const { nodeId: node } = keeper.current;
  const api = loadApi();
  const asked = { endpoints: config.store.endpoints, port: config.api.port, keeper, api, signal };
  const vtepFamily = host.underlay.current.address.includes(':') ? 6 : 4;
  const pictures = pictureFile(`${config.state}/picture`, nodeFiles);
  const { settings, start } = await beginning(host, {
    ...{ store, pictures, node, vtepFamily, level: host.edition.level },
    reachStoreAt: (addresses) => store.reachAt(addresses),
    assertMember: (peers) => assertStillMember({ ...asked, peers }),
  });
  const kernel = await openKernel(host, settings);
  const owner = { id: node, name: config.node.name, bootId: bootId() };
  const journal = await openNodeJournal({ state: config.state, node: owner, log });
  const authority = await openAuthority(config.pki);
  return { foundation: { keeper, opened, api, settings, kernel, journal, pictures, authority }, start };
}

async function serve(host: Host, { foundation, start }: Begun): Promise<void> {
  const parts = compose(host, foundation);
  const { deps, keeper, records, view, kernel, journal, ownership, peers } = parts;
  const ended = new AbortController();
  const refused = new AbortController();
  const refuse = (error: unknown) => refused.abort(error);
  const until = AbortSignal.any([host.signal, ended.signal]);
  const waiting = { ...host, signal: until };
  const working = [view.run(until)];
  whenUnreadable(deps, refuse);
  const shown = [keeper.current.cert, keeper.current.client.cert];
  try {
    const picture = start && suffices(start, records.entries(), host.log) ? start : undefined;
    if (picture) takeUp(deps, picture);
    else await catchUp(waiting, deps);
    assertReadable(deps);
    // What stands on a host that joins is of a former identity of it, whose addresses may be others' by now.
    const known = view.current().state.nodes.has(deps.node.id);
    if (journal.fresh && !known) await holdPorts(kernel, { hold: 'down', attached: undefined });
    followUnderlay(host, parts);
    working.push(...work(host, parts, until));
    const belonging = belong(waiting, parts, { start, picture, shown, refuse, working });
    if (picture) working.push(belonging.catch(refuse));
    else await belonging;
    await answer(host, parts, AbortSignal.any([until, records.failed, refused.signal]));
    for (const end of [records.failed, refused.signal]) if (end.aborted) throw end.reason;
  } finally {
    ended.abort();
    // what belonging began comes after it
    for (const one of working) await one;
    await ownership.settled();
    peers.close();
    await journal.close();
    kernel.close();
  }
}

/** What goes on until the signal. */
function work(host: Host, parts: Parts, until: AbortSignal): Promise<void>[] {
  const { underlay, log } = host;
  const { deps, opened, kernel, view, loop, lead, peers, renewal, pictureWriter } = parts;
  const { upkeep, endpoints, store } = opened;
  const { node } = deps;
  const { standing } = parts.ownership;
  const working = [
    watchMembership({ node, store, view, peers, standing }, until),
    lead.run(until),
    underlay.run(until),
    loop.run(until),
    keepHouse(deps, until),
    repeatHints(deps, until),
    renewal.run(until),
    pictureWriter.run(until),
    followClaims(deps, kernel.claims(until), until),
  ];
  if (upkeep) {
    const mayTell = () => standing.isProven();
    working.push(upkeep.run(until), pointToStore({ view, peers, node, endpoints, mayTell, clock, log }, until));
  }
  if (host.edition.next) working.push(actAsNext(deps, until));
  return working;
}

/** Others are told of another address, and what is connected from the former one connects anew. */
function followUnderlay({ underlay, config }: Host, { deps, opened, peers, renewal }: Parts): void {
  let renewedFor = underlay.current.address;
  underlay.onChange(async (now, until) => {
    // Connections from the former address would be missed by their timeouts only.
    if (now.address !== renewedFor) {
      opened.store.renew();
      peers.renew();
      renewedFor = now.address;
    }
    await updateNode(deps, { ...addressRecord(now, config), storeEndpoints: opened.endpoints() }, until);
    renewal.look();
  });
}

interface Belonging {
  start: Start | undefined;
  /** what is served from meanwhile */
  picture: Start | undefined;
  /** the certificates that this node was given, or gave itself, before it was registered */
  shown: string[];
  refuse: (error: unknown) => void;
  /** what goes on from then on is added */
  working: Promise<void>[];
}

/** The node is one of its cluster: what etcd says of it is heard, and it is registered there. */
async function belong(host: Host, parts: Parts, { start, picture, shown, refuse, working }: Belonging): Promise<void> {
  const { deps, opened, settings, view, ownership, revocation, authority } = parts;
  if (start) await sameCluster(host, { store: opened.store, settings, vtepFamily: settings.vtepFamily });
  if (picture) await catchUp(host, deps);
  if (revocation) working.push(revocation.run(host.signal));
  await settleStanding(host, deps);
  const registration = {
    record: () => ({
      ...nodeRecord(host, deps.node),
      storeEndpoints: opened.endpoints(),
      signs: authority !== undefined,
    }),
    shown,
  };
  const enter = () => register(host, deps, registration);
  // A node that was here before is served at once: after a boot its engine waits, and not for long.
  const first = ownership.standing.isProven() && !view.current().state.nodes.has(deps.node.id);
  if (first) await enter();
  working.push(live(host, deps, first ? undefined : enter).catch(refuse));
}
