/** Which nodes run the cluster's etcd, by what they record of themselves: it is at their own address. */
import type { Node } from '../model/objects.ts';

export function runsStore({ vtep, storeEndpoints = [] }: Node): boolean {
  return storeEndpoints.some((endpoint) => URL.canParse(endpoint) && hostOf(endpoint) === vtep);
}

/** IPv6 without its brackets. */
function hostOf(endpoint: string): string {
  return new URL(endpoint).hostname.replace(/^\[|\]$/g, '');
}
