/**
 * What pinned egress needs of this host beside its plan: the addresses by which the world knows tenants, for as long as this
 * node leads, and an end to connections that were begun by another way than a tenant's packets take now.
 */
import type { ClusterSettings, ClusterState } from '../model/cluster.ts';
import type { KernelPort } from '../plan/kernel-port.ts';
import { routingOf } from '../plan/routing/picture.ts';
import { ledBy, pinnedOf } from '../plan/routing/pinned.ts';
import { planPinnedAddresses } from '../plan/routing/plan.ts';

/** seconds that the kernel may take an address away late */
const LATE = 2;

export interface PinnedEgressOptions {
  kernel: KernelPort;
  node: string;
  settings: ClusterSettings;
  /** milliseconds for which this node leads what it leads, if nothing else is heard; absent: it leads nothing */
  leads?: () => number;
}

export class PinnedEgress {
  /** by tenant, in the last round */
  readonly #ways = new Map<string, string>();
  /** tenants whose addresses this host may have; undefined: it is not known what a process of before left */
  #led: ReadonlySet<string> | undefined;
  /** others' may stand as well: the last look at them failed */
  #unsure = true;
  readonly #options: PinnedEgressOptions;

  constructor(options: PinnedEgressOptions) {
    this.#options = options;
  }

  /**
   * They go from here before the lease ends by which others know that this node leads. Those that others took away. Throws what
   * is wrong with one, after all others.
   */
  async hold(state: ClusterState, mayLead: boolean): Promise<string[]> {
    const { kernel, node, leads } = this.#options;
    const seconds = Math.floor((leads?.() ?? 0) / 1_000) - LATE;
    const link = state.nodes.get(node)?.interface;
    const addresses = mayLead && seconds > 0 ? planPinnedAddresses(state, this.#options) : [];
    this.#unsure = true;
    const { lost, failures } = await kernel.holdAddresses({ link, addresses, seconds });
    this.#unsure = false;
    this.#led = new Set(addresses.length > 0 ? ledBy(state, node) : []);
    if (failures[0]) throw failures[0];
    return lost;
  }

  /** This host may have the tenant's addresses still although it should not: nobody may be told that it gave them back. */
  lingers(tenant: string): boolean {
    return this.#unsure && (this.#led === undefined || this.#led.has(tenant));
  }

  forgetTenants({ tenants }: ClusterState): void {
    for (const tenant of this.#ways.keys()) if (!tenants.has(tenant)) this.#ways.delete(tenant);
  }

  /** Once the way stands that the state asks for. The first one is no change: a restart of weftd cuts nothing. */
  async settle(state: ClusterState, tenant: string): Promise<void> {
    const { kernel, node } = this.#options;
    const way = wayOf(state, tenant, node);
    const before = this.#ways.get(tenant);
    const uplink =
      before === undefined || before === way ? undefined : routingOf(state, this.#options).uplinks.get(tenant);
    if (uplink) {
      const networks = [...state.networks.values()].filter((network) => network.tenant === tenant);
      const inside = networks.flatMap(({ subnets }) => subnets.map(({ cidr }) => cidr));
      const { ipv4, ipv6 } = uplink.transit.tenant;
      await kernel.cutFlows(uplink.tenant.name, { inside, host: [`${ipv4}/32`, `${ipv6}/128`] });
    }
    this.#ways.set(tenant, way);
  }
}

/** Which other node leads makes no difference here: its address is given there. */
function wayOf(state: ClusterState, tenant: string, node: string): string {
  const pinned = pinnedOf(state, tenant);
  if (!pinned) return 'own';
  return pinned.leader?.id === node ? pinned.pin.addresses.join() : 'elsewhere';
}
