/** The option maps of Docker's calls: `-o` of a network, `--ipam-opt`, and what comes with an endpoint. */
import { z } from 'zod';
import { WeftError } from '../../model/errors.ts';
import type { PortWish } from '../../model/ports/wish.ts';
import { clip } from '../../model/validate.ts';
import { checked, listOf, mapOf, text } from './wire.ts';

export type Options = Record<string, unknown>;

const GENERIC = 'com.docker.network.generic';
const INTERNAL = 'com.docker.network.internal';
const PORT_MAP = 'com.docker.network.portmap';
const MAC_ADDRESS = 'com.docker.network.endpoint.macaddress';
const BRIDGE_MTU = 'com.docker.network.driver.mtu';
const LABEL_PREFIX = 'weft.label.';

const number = z
  .number()
  .int()
  .nullish()
  .transform((value) => value ?? 0);
const portMapping = z.object({
  Proto: number,
  Port: number,
  HostIP: text,
  HostPort: number,
  HostPortEnd: number,
});
/** IPPROTO_* */
const PROTOCOLS = new Map<number, PortWish['protocol']>([
  [6, 'tcp'],
  [17, 'udp'],
  [132, 'sctp'],
]);

export interface NetworkOptions {
  tenant: string;
  network: string;
  internal: boolean;
  mtu?: number;
  routes?: { destination: string; via: string }[];
  synced?: string;
}

/** Of networks that weft makes itself to keep an engine in step: that engine's id. */
export const SYNCED_OPTION = 'weft.engine';

/**
 * `internal` has no `-o` form: only by its own `--internal` does Docker know that such a network is no way out, and
 * then does not look for a gateway on it.
 */
export function networkOptions(options: Options): NetworkOptions {
  const given = checked(mapOf(text), options[GENERIC], GENERIC);
  refuseUnknown('-o', given, ['tenant', 'network', 'mtu', 'routes', BRIDGE_MTU, SYNCED_OPTION]);
  const mtu = readMtu(given.mtu ?? '', given[BRIDGE_MTU] ?? '');
  return {
    tenant: given.tenant ?? '',
    network: given.network ?? '',
    internal: options[INTERNAL] === true,
    ...(mtu === undefined ? {} : { mtu }),
    ...(given.routes === undefined ? {} : { routes: readRoutes(given.routes) }),
    ...(given[SYNCED_OPTION] === undefined ? {} : { synced: given[SYNCED_OPTION] }),
  };
}

export function poolOptions(options: Record<string, string>): { tenant: string; network: string } {
  refuseUnknown('--ipam-opt', options, ['tenant', 'network']);
  return { tenant: options.tenant ?? '', network: options.network ?? '' };
}

/** An option that is not understood is refused: a misspelt `tennant=acme` would put the network in another's tenant. */
function refuseUnknown(flag: string, given: Record<string, string>, known: string[]): void {
  const unknown = Object.keys(given).filter((name) => !known.includes(name));
  if (unknown.length === 0) return;
  throw new WeftError('invalid-argument', `${flag} ${unknown.join(', ')}: weft does not know this option`, {
    next: `leave it out; ${flag} takes ${known.join(', ')}`,
  });
}

function readMtu(own: string, bridge: string): number | undefined {
  if (own !== '' && bridge !== '' && own !== bridge) {
    throw new WeftError('invalid-argument', `-o mtu=${own} and -o ${BRIDGE_MTU}=${bridge} differ`, {
      next: 'give one of them',
    });
  }
  const asked = own || bridge;
  if (asked === '') return undefined;
  if (!/^\d{1,5}$/.test(asked)) {
    throw new WeftError('invalid-argument', `-o mtu=${asked} is not a number of bytes`, { next: 'give -o mtu=1400' });
  }
  return Number(asked);
}

/** "10.9.0.0/16=10.1.0.254,10.8.0.0/16=10.1.0.254": what lies behind which address of the network. */
function readRoutes(text: string): { destination: string; via: string }[] {
  const items = text.split(',').map((item) => item.trim());
  return items
    .filter((item) => item !== '')
    .map((item) => {
      const [destination = '', via = '', ...rest] = item.split('=');
      if (destination !== '' && via !== '' && rest.length === 0) return { destination, via };
      throw new WeftError('invalid-argument', `-o routes: "${clip(item)}" is not SUBNET=ADDRESS`, {
        next: 'give -o routes=10.9.0.0/16=10.1.0.254, more of them after commas',
      });
    });
}

/** The ports that the container publishes: `-p`, and `-P` as those without a port of the host. */
export function portWishes(options: Options): PortWish[] {
  return checked(listOf(portMapping), options[PORT_MAP], PORT_MAP).map(
    ({ Proto, Port, HostIP, HostPort, HostPortEnd }) => {
      const protocol = PROTOCOLS.get(Proto);
      if (!protocol) throw new WeftError('ports-unsupported', `protocol ${Proto} is none of tcp, udp and sctp`);
      return { protocol, address: HostIP, first: HostPort, last: Math.max(HostPort, HostPortEnd), port: Port };
    },
  );
}

/** The MAC address asked for, as text; '' when none was. Docker writes it as base64 of its six bytes. */
export function askedMac(options: Options): string {
  const encoded = options[MAC_ADDRESS];
  if (typeof encoded !== 'string' || encoded === '') return '';
  const bytes = Buffer.from(encoded, 'base64');
  if (bytes.length !== 6) throw new WeftError('invalid-argument', `${MAC_ADDRESS}: not six bytes in base64`);
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}

/** `--driver-opt weft.label.app=web` of `docker network connect` labels the endpoint `app=web`. */
export function endpointLabels(options: Options): Record<string, string> {
  const labels = Object.entries(options).flatMap(([name, value]) => {
    const key = name.startsWith(LABEL_PREFIX) ? name.slice(LABEL_PREFIX.length) : '';
    return key !== '' && typeof value === 'string' ? [[key, value] as const] : [];
  });
  return Object.fromEntries(labels);
}
