/** Namespaces of tenants that this host has nothing of any more. */
import type { Logger } from 'pino';
import type { ClusterState } from '../model/cluster.ts';
import { diff } from '../plan/diff.ts';
import type { KernelPort, OperationFailure } from '../plan/kernel-port.ts';

export interface NamespacesOptions {
  kernel: KernelPort;
  log: Logger;
  /** what is remembered of a namespace ends with it */
  gone: (namespace: string) => void;
}

export class Namespaces {
  readonly #options: NamespacesOptions;

  constructor(options: NamespacesOptions) {
    this.#options = options;
  }

  /** Those of tenants that are gone; the folder is ours, so every file in it is. */
  async removeStale(state: ClusterState): Promise<OperationFailure[]> {
    const known = new Set([...state.tenants.values()].map(({ name }) => name));
    for (const name of await this.#options.kernel.namespaces()) {
      if (!known.has(name)) await this.remove(name);
    }
    return [];
  }

  /** Links first: those with an end elsewhere would outlive the file for as long as anybody holds it open. */
  async remove(name: string): Promise<void> {
    const { kernel, log, gone } = this.#options;
    if (!(await kernel.namespaces()).includes(name)) return;
    try {
      const observed = await kernel.observe(name);
      await kernel.apply(name, diff([], observed), () => false);
    } catch (error) {
      log.debug({ err: error, namespace: name }, 'a namespace could not be emptied before its removal');
    }
    await kernel.removeNamespace(name);
    gone(name);
    log.info({ namespace: name }, 'removed the namespace of a tenant that is not present any more');
  }
}
