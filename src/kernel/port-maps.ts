/**
 * Published ports as nftables: maps from where a packet goes to where it shall go, and the chains that look them up.
 *
 *   host's namespace    map ports4       one of the host's addresses . protocol . port  ->  uplink's address . port
 *                       map any-ports4   protocol . port, on any of its addresses       ->  uplink's address . port
 *   tenant's namespace  map ports4       uplink's address . protocol . port             ->  container's address . port
 *
 * In the host's, prerouting sees what comes from elsewhere and output what the host itself begins.
 */
import {
  addressHex,
  concatenate,
  DNAT_TARGETS,
  dnatByMap,
  integer,
  keyField,
  match,
  rule,
  sortElements,
  verdict,
} from 'netlink-ts';
import type { Chain, NftSet, Rule, SetElement } from 'netlink-ts';
import { formatAddress } from '../model/address/address.ts';
import type { PortProtocol } from '../model/objects.ts';
import type { PortEnd, PortForward, Service } from '../plan/ports/intent.ts';
import { isEverywhere } from '../plan/ports/forwards.ts';
import { FAMILIES, NFPROTO } from './families.ts';

const DESTINATION_NAT = -100;
const PROTOCOL_NUMBERS = { tcp: 6, udp: 17, sctp: 132 } as const satisfies Record<PortProtocol, number>;

const SERVICE = [keyField.from('meta l4proto'), keyField.from('th dport')];
const PLACE = {
  4: [keyField.from('ip daddr'), ...SERVICE],
  6: [keyField.from('ip6 daddr'), ...SERVICE],
} as const;
const NAT_FAMILY = { 4: 'ip', 6: 'ip6' } as const;

/** That say where packets are led. */
export const PORT_MAPS: readonly string[] = FAMILIES.flatMap((family) => [`ports${family}`, `any-ports${family}`]);

/** Whose elements come and go with publications, while the rules stay. */
export const PORT_SETS: readonly string[] = [...FAMILIES.map((family) => `published${family}`), ...PORT_MAPS];

/** Of the ports of all nodes: what containers may reach although hosts are guarded. */
export function serviceSets(services: readonly Service[]): NftSet[] {
  return FAMILIES.map((family) => {
    const own = services.filter(({ address }) => address.includes(':') === (family === 6));
    const elements = own.map(({ address, protocol, port }) => ({ key: placeKey(family, protocol, { address, port }) }));
    return { name: `published${family}`, key: [...PLACE[family]], flags: [], elements: sortElements(elements) };
  });
}

export function serviceRule(family: 4 | 6): Rule {
  return rule(match.nfproto(NFPROTO[family]), match.inSet(`published${family}`, PLACE[family]), verdict.return());
}

/** In the host's namespace. */
export function hostPortMaps(forwards: readonly PortForward[]): { sets: NftSet[]; chains: Chain[] } {
  return {
    sets: FAMILIES.flatMap((family) => {
      const own = forwards.filter((one) => one.family === family);
      const somewhere = own.filter((one) => !isEverywhere(one));
      const everywhere = own.filter(isEverywhere);
      return [
        portMap(
          family,
          somewhere.map(({ protocol, host, transit }) => [placeKey(family, protocol, host), transit]),
        ),
        {
          ...map(family, `any-ports${family}`),
          key: SERVICE,
          elements: elementsOf(
            family,
            everywhere.map(({ protocol, host, transit }) => [
              concatenate(SERVICE, [integer(PROTOCOL_NUMBERS[protocol], 1), integer(host.port, 2)]),
              transit,
            ]),
          ),
        },
      ];
    }),
    chains: [
      { name: 'ports', rules: FAMILIES.flatMap(hostRules) },
      natChain('ports-in', 'prerouting'),
      natChain('ports-out', 'output'),
    ],
  };
}

/** Nothing leads from ::1: the kernel would take no answer to it. */
function hostRules(family: 4 | 6): Rule[] {
  const local = match.fibType('daddr', 'local');
  const notLoopback = family === 6 ? match.daddrNot('::1') : match.nfproto('ipv4');
  return [
    rule(match.nfproto(NFPROTO[family]), dnatByMap(NAT_FAMILY[family], `ports${family}`, PLACE[family])),
    rule(notLoopback, local, dnatByMap(NAT_FAMILY[family], `any-ports${family}`, SERVICE)),
  ];
}

function natChain(name: string, hook: 'prerouting' | 'output'): Chain {
  return {
    name,
    base: { type: 'nat', hook, priority: DESTINATION_NAT, policy: 'accept' },
    rules: [rule(verdict.jump('ports'))],
  };
}

/** In the tenant's namespace, of what comes by its uplink. */
export function tenantPortMaps(forwards: readonly PortForward[], uplink: string): { sets: NftSet[]; chains: Chain[] } {
  return {
    sets: FAMILIES.map((family) =>
      portMap(
        family,
        forwards
          .filter((one) => one.family === family)
          .map(({ protocol, transit, container }) => [placeKey(family, protocol, transit), container]),
      ),
    ),
    chains: [
      {
        name: 'ports-in',
        base: { type: 'nat', hook: 'prerouting', priority: DESTINATION_NAT, policy: 'accept' },
        rules: FAMILIES.map((family) =>
          rule(
            match.nfproto(NFPROTO[family]),
            match.iifname(uplink),
            dnatByMap(NAT_FAMILY[family], `ports${family}`, PLACE[family]),
          ),
        ),
      },
    ],
  };
}

function portMap(family: 4 | 6, entries: readonly [key: string, to: PortEnd][]): NftSet {
  return { ...map(family, `ports${family}`), key: [...PLACE[family]], elements: elementsOf(family, entries) };
}

/** One port leads to one place: of two records that claim it the first is kept. */
function elementsOf(family: 4 | 6, entries: readonly [key: string, to: PortEnd][]): SetElement[] {
  const elements = new Map<string, SetElement>();
  for (const [key, to] of entries) if (!elements.has(key)) elements.set(key, { key, value: targetHex(family, to) });
  return sortElements([...elements.values()]);
}

function map(family: 4 | 6, name: string): Pick<NftSet, 'name' | 'flags' | 'data'> {
  return { name, flags: ['map'], data: [...DNAT_TARGETS[NAT_FAMILY[family]]] };
}

function placeKey(family: 4 | 6, protocol: PortProtocol, { address, port }: PortEnd): string {
  return concatenate(PLACE[family], [addressHex(address), integer(PROTOCOL_NUMBERS[protocol], 1), integer(port, 2)]);
}

function targetHex(family: 4 | 6, { address, port }: PortEnd): string {
  return concatenate(DNAT_TARGETS[NAT_FAMILY[family]], [addressHex(address), integer(port, 2)]);
}

/** An element of a map as it speaks: what goes there (to any address of the namespace where none is named), and where to. */
export interface PortElement {
  family: 4 | 6;
  address: string | undefined;
  /** IPPROTO_* */
  protocol: number;
  port: number;
  /** undefined for an element of a set */
  target: PortEnd | undefined;
}

export function readPortElement(set: string, { key, value }: SetElement): PortElement {
  const family = set.endsWith('6') ? 6 : 4;
  const digits = family === 4 ? 8 : 32;
  const place = set.startsWith('any-') ? '' : key.slice(0, digits);
  const service = key.slice(place.length);
  return {
    family,
    address: place === '' ? undefined : addressText(place),
    protocol: parseInt(service.slice(0, 2), 16),
    port: parseInt(service.slice(8, 12), 16),
    target:
      typeof value === 'string'
        ? { address: addressText(value.slice(0, digits)), port: parseInt(value.slice(digits, digits + 4), 16) }
        : undefined,
  };
}

function addressText(hex: string): string {
  return formatAddress({ family: hex.length === 8 ? 4 : 6, value: BigInt(`0x${hex}`) });
}
