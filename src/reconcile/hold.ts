/**
 * What is left of the loop on a host that is not, or may not be, the owner of its endpoints: nothing is built or repaired. A
 * node that was fenced takes the ports of its endpoints down: their addresses may be others' by now, and members take no
 * packet from them. They are not deleted, so that the containers keep their interfaces until somebody decides.
 */
import { diff } from '../plan/diff.ts';
import type { KernelPort, OperationFailure } from '../plan/kernel-port.ts';
import type { PortObject } from '../plan/objects.ts';
import type { Hold } from './port.ts';

export interface HoldRequest {
  hold: Exclude<Hold, 'none'>;
  /** names of ports whose endpoints were not detached; undefined: not known, all of them are kept */
  attached: ReadonlySet<string> | undefined;
}

/** In all tenants' namespaces of the host; ports of endpoints that were detached go, which needs no right. */
export async function holdPorts(kernel: KernelPort, request: HoldRequest): Promise<OperationFailure[]> {
  const failures: OperationFailure[] = [];
  for (const namespace of await kernel.namespaces()) {
    const { objects } = await kernel.observe(namespace);
    // One without a bridge was never finished: it leads nowhere.
    const ports = objects.filter((object): object is PortObject => object.kind === 'port' && object.bridge !== '');
    const wanted = ports
      .filter(({ name }) => request.attached?.has(name) ?? true)
      .map((port) => ({ ...port, up: request.hold === 'down' ? false : port.up }));
    const operations = diff(wanted, { objects: ports, foreign: [] });
    failures.push(...(await kernel.apply(namespace, operations, () => false)));
  }
  return failures;
}
