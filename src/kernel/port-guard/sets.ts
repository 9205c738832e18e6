/** What the rules of the port guard look up, and what they count in. */
import { addressHex, concatenate, integer, keyField, sortElements } from 'netlink-ts';
import type { KeyField, NftSet, SetElement, Verdict } from 'netlink-ts';
import { FRAME_DROPS } from '../../plan/port-guard/intent.ts';
import type { FrameDrop, GuardedPort, PortGuardIntent } from '../../plan/port-guard/intent.ts';
import { nameHex } from '../interface-names.ts';

export const SETS = {
  macs: 'macs',
  sources4: 'sources4',
  sources6: 'sources6',
  claims4: 'claims4',
  claims6: 'claims6',
  announcements4: 'announcements4',
  known4: 'known4',
  known6: 'known6',
  extensions: 'extension-headers',
  reports: 'listener-reports',
  icmpv6: 'icmpv6-messages',
  probes: 'probes',
  broadcasts: 'broadcasts',
  announcementRate4: 'announcement-rate4',
  announcementRate6: 'announcement-rate6',
} as const;

/** Whose elements are told by the intent; the rest is the same in every tenant. */
export const MEMBER_SETS: readonly string[] = [
  ...[SETS.macs, SETS.sources4, SETS.sources6, SETS.claims4, SETS.claims6, SETS.announcements4],
  ...[SETS.known4, SETS.known6],
];

export function dropSet(reason: FrameDrop): string {
  return `dropped-${reason}`;
}

const PORT = keyField.from('meta iifname');
const MAC = [PORT, keyField.from('ether saddr')];
const SOURCE4 = [...MAC, keyField.from('ip saddr')];
const SOURCE6 = [...MAC, keyField.from('ip6 saddr')];
/** sender and target of one who announces an address */
const ANNOUNCEMENT4 = [PORT, keyField.from('ip saddr'), keyField.from('ip daddr')];
export const KNOWN4 = [keyField.from('ip daddr')];
export const KNOWN6 = [keyField.from('ip6 daddr')];

/** hop-by-hop, routing, fragment, authentication, none, destination, mobility, HIP, shim6; 253 and 254 are for experiments */
const EXTENSION_HEADERS = [0, 43, 44, 51, 59, 60, 135, 139, 140, 253, 254];
/** that a listener is there, that it is gone, and version 2 of both */
const LISTENER_REPORTS = [131, 132, 143];

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
/** a host's bridges hold 1,023 ports each; the rest leaves room for those that are gone */
const MOST_PORTS = 65_535;

export function portGuardSets(intent: PortGuardIntent): NftSet[] {
  const { ports, known } = intent;
  const claims = ports.map(({ claims: addresses = [], ...port }) => ({ ...port, addresses }));
  return [
    { name: SETS.macs, key: MAC, flags: [], elements: sortElements(ports.map(macElement)) },
    { name: SETS.sources4, key: SOURCE4, flags: [], elements: sourceElements(ports, SOURCE4, isIpv4) },
    { name: SETS.sources6, key: SOURCE6, flags: [], elements: sourceElements(ports, SOURCE6, isIpv6) },
    { name: SETS.claims4, key: SOURCE4, flags: [], elements: sourceElements(claims, SOURCE4, isIpv4) },
    { name: SETS.claims6, key: SOURCE6, flags: [], elements: sourceElements(claims, SOURCE6, isIpv6) },
    { name: SETS.announcements4, key: ANNOUNCEMENT4, flags: [], elements: announcements(claims) },
    ...knownSets(known),
    numbers(SETS.extensions, 'inet_proto', EXTENSION_HEADERS),
    numbers(SETS.reports, 'icmpv6_type', LISTENER_REPORTS),
    messages(),
    perPort(SETS.probes, MINUTE),
    perPort(SETS.broadcasts, MINUTE),
    perPort(SETS.announcementRate4, MINUTE, [PORT, ...KNOWN4]),
    perPort(SETS.announcementRate6, MINUTE, [PORT, ...KNOWN6]),
    ...FRAME_DROPS.map((reason) => perPort(dropSet(reason), DAY)),
  ];
}

/** Of both families: also for the chain that forwards. */
export function knownSets(known: readonly string[]): NftSet[] {
  return [
    { name: SETS.known4, key: KNOWN4, flags: [], elements: knownElements(known, isIpv4) },
    { name: SETS.known6, key: KNOWN6, flags: [], elements: knownElements(known, isIpv6) },
  ];
}

/** Where each kind of ICMPv6 message goes; the others are dropped. */
function messages(): NftSet {
  const ways: [number[], string][] = [
    // unreachable, too big, time exceeded, parameter problem; echo
    [[1, 2, 3, 4, 128, 129], 'broadcasts'],
    [LISTENER_REPORTS, 'broadcasts'],
    // queries of listeners, router advertisement, redirect, renumbering, multicast router advertisement
    [[130, 134, 137, 138, 151], 'drop-router'],
    [[133], 'router-solicitation'],
    [[135], 'neighbour-solicitation'],
    [[136], 'neighbour-advertisement'],
  ];
  const elements = ways.flatMap(([types, chain]) =>
    types.map((type): SetElement => ({ key: integer(type, 1), value: goTo(chain) })),
  );
  const key = [keyField.of('icmpv6_type')];
  return { name: SETS.icmpv6, key, flags: ['map'], data: 'verdict', elements: sortElements(elements) };
}

function goTo(chain: string): Verdict {
  return { verdict: 'goto', chain };
}

function numbers(name: string, type: 'inet_proto' | 'icmpv6_type', values: number[]): NftSet {
  const elements = sortElements(values.map((value) => ({ key: integer(value, 1) })));
  return { name, key: [keyField.of(type)], flags: [], elements };
}

/** Filled by packets; an element goes when nothing has touched it for as long. */
function perPort(name: string, timeout: number, key = [PORT]): NftSet {
  return { name, key, flags: ['timeout', 'dynamic'], size: MOST_PORTS, timeout, elements: [] };
}

function macElement({ port, mac }: GuardedPort): SetElement {
  return { key: concatenate(MAC, [nameHex(port), macHex(mac)]) };
}

function sourceElements(
  ports: readonly GuardedPort[],
  key: KeyField[],
  ofFamily: (address: string) => boolean,
): SetElement[] {
  const elements = ports.flatMap(({ port, mac, addresses }) =>
    addresses
      .filter(ofFamily)
      .map((address) => ({ key: concatenate(key, [nameHex(port), macHex(mac), addressHex(address)]) })),
  );
  return sortElements(elements);
}

function announcements(ports: readonly GuardedPort[]): SetElement[] {
  const elements = ports.flatMap(({ port, addresses }) =>
    addresses.filter(isIpv4).map((address) => {
      const hex = addressHex(address);
      return { key: concatenate(ANNOUNCEMENT4, [nameHex(port), hex, hex]) };
    }),
  );
  return sortElements(elements);
}

function knownElements(known: readonly string[], ofFamily: (address: string) => boolean): SetElement[] {
  return sortElements(known.filter(ofFamily).map((address) => ({ key: addressHex(address) })));
}

function isIpv6(address: string): boolean {
  return address.includes(':');
}

function isIpv4(address: string): boolean {
  return !isIpv6(address);
}

function macHex(mac: string): string {
  return mac.replaceAll(':', '');
}
