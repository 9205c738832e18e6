/** The kernel port over netlink: one host namespace, the tenants' namespaces below one folder. */
import { NftSocket, openNamespace, RouteSocket } from 'netlink-ts';
import type { Namespace } from 'netlink-ts';
import type { Operation } from '../plan/diff.ts';
import type { Place } from '../model/ports/places.ts';
import type {
  AddressWish,
  ForeignChains,
  HeldAddresses,
  HostForwarding,
  KernelEvent,
  KernelPort,
  OperationFailure,
  PlaceConflict,
  PortDrops,
} from '../plan/kernel-port.ts';
import { ALIAS_PREFIX } from '../plan/objects.ts';
import type { AddressClaim } from '../plan/port-guard/claim.ts';
import type { PortGuardIntent } from '../plan/port-guard/intent.ts';
import type { Observed, PortPeer } from '../plan/objects.ts';
import type { SeenProbe } from '../plan/probes.ts';
import type { HostGuardIntent, RulesetIntent, TenantGuardIntent } from '../plan/ruleset.ts';
import { applyOperations } from './apply.ts';
import { AnnouncementLog } from './announcements.ts';
import { cutFlows } from './cut-flows.ts';
import { KernelEvents } from './events.ts';
import { countsConnections } from './features.ts';
import type { KernelFeatures } from './features.ts';
import { ForeignForward } from './foreign-forward.ts';
import type { LinkContext } from './links.ts';
import { LINK_GROUP } from './link-group.ts';
import { TenantNamespaces, tryOpen, wireOption } from './namespaces.ts';
import type { NamespaceHandle, WireLog } from './namespaces.ts';
import { observe } from './observe.ts';
import { PinnedAddresses } from './pinned-addresses.ts';
import { forgetDrops, readDrops } from './port-guard/drops.ts';
import { PortFlows } from './port-flows.ts';
import { PortReservations } from './port-reservations.ts';
import { ProbeListener } from './probe-listener.ts';
import { readProbes } from './probes.ts';
import { routeOnLink } from './sandbox-routes.ts';
import { removeRuleset, rulesetStands } from './ruleset.ts';
import { Rulesets } from './rulesets.ts';
import { ownSettingOf, settingOf, Settings } from './settings.ts';

export interface KernelOptions {
  /** where the tenants' namespace files stand: /run/weft/netns */
  folder: string;
  /** the host's namespace file; the process's own when left out */
  host?: string;
  /** settings to look at, from the plan */
  sysctls: readonly string[];
  /** a monitor ended: told once each */
  onMonitorFailure: (error: unknown) => void;
  /** gets a line for each netlink message, with the namespace it concerns; '' is the host */
  wire?: WireLog;
}

export class NetlinkKernel implements KernelPort {
  readonly #options: KernelOptions;
  readonly #host: { namespace: Namespace; rt: RouteSocket; nft: NftSocket };
  readonly #tenants: TenantNamespaces;
  readonly #settings: Settings;
  readonly #events: KernelEvents;
  readonly #claims: AnnouncementLog;
  /** of each namespace; one that is bound anew has another socket */
  readonly #guards = new WeakMap<NftSocket, { rulesets: Rulesets; flows: PortFlows }>();
  readonly #foreign: ForeignForward;
  /** undefined: not tried yet */
  #features: KernelFeatures | undefined;
  /** of the host: for those who are about to publish one, too */
  readonly ports: PortReservations;
  readonly #pinned: PinnedAddresses;
  /** undefined while the host is guarded: the guard notes probes then, and VXLAN devices have the port */
  #probeListener: ProbeListener | undefined = new ProbeListener();

  constructor(options: KernelOptions) {
    this.#options = options;
    const namespace = openNamespace(options.host ?? '/proc/self/ns/net');
    this.#host = {
      namespace,
      rt: RouteSocket.open({ netns: namespace.fd, ...wireOption(options.wire, '') }),
      nft: NftSocket.open({ netns: namespace.fd, ...wireOption(options.wire, '') }),
    };
    this.#tenants = new TenantNamespaces(options.folder, options.wire);
    this.#foreign = new ForeignForward(this.#host.nft);
    this.ports = new PortReservations(namespace);
    this.#pinned = new PinnedAddresses(this.#host);
    this.#settings = new Settings(options.sysctls);
    this.#events = new KernelEvents(options.onMonitorFailure, (name) => this.#settings.forget(name));
    this.#claims = new AnnouncementLog(options.onMonitorFailure);
    this.#events.follow(null, namespace);
  }

  namespaces(): Promise<string[]> {
    return Promise.resolve(this.#tenants.list());
  }

  async ensureNamespace(name: string): Promise<boolean> {
    const made = await this.#tenants.ensure(name);
    if (made) this.#settings.forget(name);
    this.#events.follow(name, this.#tenants.use(name).namespace);
    return made;
  }

  removeNamespace(name: string): Promise<void> {
    this.#events.forget(name);
    this.#claims.forget(name);
    this.#tenants.remove(name);
    return Promise.resolve();
  }

  observe(name: string): Promise<Observed> {
    const handle = this.#tenants.use(name);
    return observe(handle, this.#host, this.#settings.of(name, handle.namespace));
  }

  async hostLinks(): Promise<string[]> {
    const links = await this.#host.rt.links.list();
    return links
      .filter(({ group, alias }) => group === LINK_GROUP || alias?.startsWith(ALIAS_PREFIX) === true)
      .map(({ name }) => name);
  }

  isNamespace(path: string): Promise<boolean> {
    const namespace = tryOpen(path);
    namespace?.close();
    return Promise.resolve(namespace !== undefined);
  }

  isGuarded(name: string | null, intent: RulesetIntent): Promise<boolean> {
    const { nft } = name === null ? this.#host : this.#tenants.use(name);
    return rulesetStands(nft, intent, this.#features);
  }

  async apply(
    name: string,
    operations: Operation[],
    rebuild: (endpoint: string) => boolean,
  ): Promise<OperationFailure[]> {
    const namespacePaths = () => this.#tenants.list().map((one) => this.#tenants.path(one));
    const context: LinkContext = { tenant: this.#tenants.use(name), host: this.#host, rebuild, namespacePaths };
    const failures = await applyOperations(context, operations);
    if (operations.some(({ object }) => object.kind === 'sysctl')) this.#settings.forget(name);
    return failures;
  }

  routeOnLink(peer: PortPeer): Promise<boolean> {
    return routeOnLink(peer);
  }

  guardHost(intent: HostGuardIntent): Promise<string[]> {
    this.#probeListener?.close();
    this.#probeListener = undefined;
    return this.#guard(this.#host, intent);
  }

  reservePorts(wanted: readonly Place[]): Promise<PlaceConflict[]> {
    return this.ports.keep(wanted);
  }

  async unguardHost(): Promise<void> {
    await removeRuleset(this.#host.nft);
    this.#guards.delete(this.#host.nft);
    this.#probeListener ??= new ProbeListener();
  }

  passForeign(wanted: boolean): Promise<ForeignChains> {
    return this.#foreign.ensure(wanted);
  }

  forwarding(): Promise<HostForwarding> {
    const read = (path: string) =>
      this.#options.host === undefined ? ownSettingOf(path) : settingOf(this.#host.namespace, path);
    const isOn = (path: string) => read(path) === '1';
    return Promise.resolve({ ipv4: isOn('net/ipv4/ip_forward'), ipv6: isOn('net/ipv6/conf/all/forwarding') });
  }

  holdAddresses(wish: AddressWish): Promise<HeldAddresses> {
    return this.#pinned.ensure(wish);
  }

  async cutFlows(name: string, ranges: { inside: string[]; host: string[] }): Promise<void> {
    await cutFlows(this.#tenants.use(name).namespace, ranges.inside);
    await cutFlows(this.#host.namespace, ranges.host);
  }

  async guardTenant(name: string, intent: TenantGuardIntent): Promise<string[]> {
    const handle = this.#tenants.use(name);
    if (intent.routing?.out) this.#features ??= { counts: await countsConnections(handle.nft) };
    return await this.#guard(handle, intent);
  }

  guardPorts(name: string, intent: PortGuardIntent): Promise<string[]> {
    const handle = this.#tenants.use(name);
    if (intent.ports.some(({ claims }) => claims)) this.#claims.follow(name, handle.namespace);
    return this.#guard(handle, intent);
  }

  drops(name: string): Promise<Map<string, PortDrops>> {
    return readDrops(this.#tenants.use(name).nft);
  }

  forgetDrops(name: string): Promise<void> {
    return forgetDrops(this.#tenants.use(name).nft);
  }

  events(signal: AbortSignal): AsyncIterable<KernelEvent> {
    return this.#events.read(signal);
  }

  /** Announcements of endpoints that may hold an address and do not. One reader; ends with the signal. */
  claims(signal: AbortSignal): AsyncIterable<AddressClaim> {
    return this.#claims.claims(signal);
  }

  /** Probes that came; on a host without a guard, since it was first asked. Undefined where neither can note any. */
  async seenProbes(vtep: string, port: number): Promise<SeenProbe[] | undefined> {
    return (await readProbes(this.#host.nft, vtep)) ?? (await this.#probeListener?.seen(vtep, port));
  }

  close(): void {
    this.#events.close();
    this.ports.close();
    this.#probeListener?.close();
    this.#claims.close();
    this.#tenants.close();
    this.#host.rt.close();
    this.#host.nft.close();
    this.#host.namespace.close();
  }

  async #guard(handle: NamespaceHandle, intent: RulesetIntent): Promise<string[]> {
    const { rulesets, flows } = this.#guards.get(handle.nft) ?? {
      rulesets: new Rulesets(handle.nft),
      flows: new PortFlows(handle),
    };
    this.#guards.set(handle.nft, { rulesets, flows });
    const { repaired, ...change } = await rulesets.ensure(intent, this.#features);
    // Rules first: a packet that comes meanwhile makes no stale flow again.
    await flows.follow(change);
    return repaired;
  }
}
