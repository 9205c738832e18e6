/**
 * Routes of containers that run, to subnets that their network got later. Containers' namespaces are not observed: what was
 * done for an endpoint is remembered, and done once more after a restart of the daemon.
 */
import type { Logger } from 'pino';
import type { KernelPort } from '../plan/kernel-port.ts';
import type { KernelObject, PortPeer } from '../plan/objects.ts';

export class ContainerRoutes {
  readonly #kernel: Pick<KernelPort, 'routeOnLink'>;
  readonly #log: Logger;
  /** by tenant and endpoint */
  readonly #wanted = new Map<string, Map<string, PortPeer>>();
  /** by endpoint: for which sandbox and subnets it was done */
  readonly #done = new Map<string, string>();

  constructor(kernel: Pick<KernelPort, 'routeOnLink'>, log: Logger) {
    this.#kernel = kernel;
    this.#log = log;
  }

  /** What a tenant's plan says; nothing when the tenant is not present. */
  want(tenant: string, objects: readonly KernelObject[]): void {
    const wanted = new Map<string, PortPeer>();
    for (const object of objects) {
      const peer = object.kind === 'port' ? object.peer : null;
      if (peer?.links) wanted.set(peer.endpoint, peer);
    }
    for (const endpoint of this.#wanted.get(tenant)?.keys() ?? []) {
      if (!wanted.has(endpoint)) this.#done.delete(endpoint);
    }
    this.#wanted.set(tenant, wanted);
  }

  /** Never throws: a container without such a route is no reason to hold others up, and the next round tries again. */
  async settle(): Promise<void> {
    for (const wanted of this.#wanted.values()) {
      for (const [endpoint, peer] of wanted) {
        const state = JSON.stringify([peer.sandbox, peer.mac, peer.links]);
        if (this.#done.get(endpoint) === state) continue;
        try {
          if (await this.#kernel.routeOnLink(peer)) this.#done.set(endpoint, state);
        } catch (error) {
          this.#log.warn({ err: error, endpoint }, 'a container has no route to a subnet of its network');
        }
      }
    }
  }
}
