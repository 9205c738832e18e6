/** Where on a node a publication can be asked for: all addresses of a family, or one of them. */
import { hostPort } from '../address/address.ts';
import type { PortProtocol, Publication } from '../objects.ts';

export const ANY = { 4: '0.0.0.0', 6: '::' } as const;

/** "0.0.0.0", "::" or one address, each with its port: what a socket would be bound to. */
export interface Place {
  protocol: PortProtocol;
  address: string;
  port: number;
}

export type Families = readonly (4 | 6)[];

export function familyOf(address: string): 4 | 6 {
  return address.includes(':') ? 6 : 4;
}

export function familiesOf(addresses: readonly string[]): Families {
  return ([4, 6] as const).filter((family) => addresses.some((address) => familyOf(address) === family));
}

/** Of an endpoint with addresses of these families: one that has no IPv6 address is not reached by the node's. */
export function addressesAsked(address: string, families: Families): string[] {
  if (address === '') return families.map((family) => ANY[family]);
  return families.includes(familyOf(address)) ? [address] : [];
}

export function placesOf({ protocol, address, hostPort }: Publication, families: Families): Place[] {
  return addressesAsked(address, families).map((one) => ({ protocol, address: one, port: hostPort }));
}

/** Both cannot be had at once. */
export function clash(a: Place, b: Place): boolean {
  if (a.protocol !== b.protocol || a.port !== b.port || familyOf(a.address) !== familyOf(b.address)) return false;
  const any = ANY[familyOf(a.address)];
  return a.address === b.address || a.address === any || b.address === any;
}

/** "192.0.2.1:8080/tcp", "[::]:8080/tcp" */
export function formatPlace({ protocol, address, port }: Place): string {
  return `${hostPort(address, port)}/${protocol}`;
}
