/**
 * The VXLAN guard as nftables.
 *
 * Host namespace. A vxlan device's UDP socket takes packets to ANY address of the host, so the guard has two gates before
 * it: what comes to our VTEP must be from a known endpoint (prerouting), what comes to our port on another address of the
 * same family is dropped (input). Other ports, other addresses that are not this host's, and the other family are not ours.
 * - Known means (outer source, VNI, inner source MAC) in the set. The rule accepts what is known and drops the rest, rather
 *   than dropping what is unknown: of a packet too short to hold the inner MAC (a first fragment of 8 bytes, say) no key can
 *   be loaded, the rule ends without a match, and it must not slip through for that.
 * - An outer source is believed only on the interface that leads back to it: a container on some bridge of the host can
 *   write any source address, and VNIs and MACs can be guessed. (Asymmetric underlay routing is thereby not supported.)
 * - Forwarded VXLAN is dropped whoever sends it: source NAT would give a container's packet the host's own VTEP as source,
 *   and every member believes that. The forward hook runs before any source NAT, which is done in postrouting, and after
 *   destination NAT, so the port compared is the one that arrives. An accept elsewhere does not undo a drop here.
 * All of it runs at priority -300, before connection tracking, so that a flood of dropped packets fills no table.
 *
 * Tenant namespace: the same drop of forwarded VXLAN, out of reach of whoever flushes the host's ruleset, in a forward
 * chain that drops everything until there are routers. `bridge-nf-call-iptables` must be 0 there before the table is
 * made: with 1 the chain would see, and drop, frames between two ports of a bridge.
 */
import {
  addressHex,
  commented,
  concatenate,
  counter,
  integer,
  keyField,
  loadKey,
  match,
  rule,
  verdict,
  type Chain,
  type Expression,
  type KeyField,
  type NftSet,
  type Rule,
  type SetElement,
  type Table,
  type TableName,
} from 'netlink-ts';
import { hostEgress } from './host-egress.ts';
import type { KernelFeatures } from './features.ts';
import { PORT_SETS } from './port-maps.ts';
import { matchPrefix } from './interface-names.ts';
import { KNOWN4, KNOWN6, knownSets, MEMBER_SETS, SETS } from './port-guard/sets.ts';
import { portGuardTable } from './port-guard/table.ts';
import { tenantRouting } from './tenant-routing.ts';
import type { GuardMember, HostGuardIntent, RulesetIntent, TenantGuardIntent } from '../plan/ruleset.ts';

export const WEFT_TABLE: TableName = { family: 'inet', name: 'weft' };
export const MEMBERS_SET = 'members';
/** of probes that came (kernel/probes.ts): filled by packets */
export const PROBES_SET = 'probes';
/** that no network has: theirs begin far above */
export const PROBE_VNI = 1;
/** milliseconds that a probe is remembered, and how many are */
const PROBE_TIME = 60_000;
const MOST_PROBES = 4_096;

/** iptables' raw table: before connection tracking (-200) and every NAT */
const RAW = -300;
const FILTER = 0;

/** from the start of the UDP header, in bits: 8 bytes UDP, then 8 bytes VXLAN (flags, VNI at 4), then the inner frame */
const VNI_OFFSET = 96;
const INNER_SOURCE_MAC_OFFSET = 176;

/** Without `features` for a kernel that has none. */
export function compileRuleset(intent: RulesetIntent, features: KernelFeatures = { counts: false }): Table {
  if (intent.kind === 'port-guard') return portGuardTable(intent);
  return intent.kind === 'host-guard' ? hostGuard(intent) : tenantGuard(intent, features);
}

/** Names of the sets whose elements change with the cluster, one by one, while the rules stay. */
export function memberSetsOf(intent: RulesetIntent): readonly string[] {
  if (intent.kind === 'port-guard') return MEMBER_SETS;
  return intent.kind === 'host-guard' ? [MEMBERS_SET, ...PORT_SETS] : [SETS.known4, SETS.known6, ...PORT_SETS];
}

/** Sorted as the kernel's are when they are read. */
export function memberElements(intent: RulesetIntent): SetElement[] {
  if (intent.kind !== 'host-guard') return [];
  const key = memberKey(intent.vtep);
  return intent.members.map((member) => ({ key: memberHex(key, member) })).sort((a, b) => (a.key < b.key ? -1 : 1));
}

function hostGuard(intent: HostGuardIntent): Table {
  const key = memberKey(intent.vtep);
  const egress = intent.egress ? hostEgress(intent.egress) : { sets: [], chains: [] };
  return {
    ...WEFT_TABLE,
    sets: [{ name: MEMBERS_SET, key, flags: [], elements: memberElements(intent) }, probesSet(intent), ...egress.sets],
    chains: [
      ...[
        overlayChain(key, probeKey(intent.vtep)),
        preroutingChain(intent),
        inputChain(intent),
        forwardChain(intent, RAW, 'accept'),
      ],
      ...egress.chains,
    ],
  };
}

function probesSet({ vtep }: HostGuardIntent): NftSet {
  const flags: NftSet['flags'] = ['timeout', 'dynamic'];
  return { name: PROBES_SET, key: probeKey(vtep), flags, size: MOST_PROBES, timeout: PROBE_TIME, elements: [] };
}

function overlayChain(key: KeyField[], probe: KeyField[]): Chain {
  return {
    name: 'overlay',
    rules: [
      commented(
        'source is not behind this interface',
        rule(match.fibMissing('saddr', 'iif'), counter(), verdict.drop()),
      ),
      rule(match.inSet(MEMBERS_SET, key), verdict.accept()),
      commented('a probe', rule(isProbe(), loadKey(probe), noteProbe(), verdict.drop())),
      commented('not from a known endpoint', rule(counter(), verdict.drop())),
    ],
  };
}

function isProbe(): Expression[] {
  return [
    { kind: 'payload', base: 'transport', offset: VNI_OFFSET / 8, length: 3, register: 0 },
    { kind: 'cmp', op: 'eq', register: 0, data: integer(PROBE_VNI, 3) },
  ];
}

function noteProbe(): Expression {
  return { kind: 'dynset', operation: 'update', set: PROBES_SET, register: 0, expressions: [{ kind: 'counter' }] };
}

function preroutingChain({ vtep, overlayPort }: HostGuardIntent): Chain {
  return {
    name: 'prerouting',
    base: { type: 'filter', hook: 'prerouting', priority: RAW, policy: 'accept' },
    rules: [rule(match.daddr(vtep), match.udpDport(overlayPort), verdict.goto('overlay'))],
  };
}

function inputChain({ vtep, overlayPort }: HostGuardIntent): Chain {
  return {
    name: 'input',
    base: { type: 'filter', hook: 'input', priority: RAW, policy: 'accept' },
    rules: [
      commented(
        'not to the VTEP address',
        rule(match.daddrNot(vtep), match.udpDport(overlayPort), counter(), verdict.drop()),
      ),
    ],
  };
}

function forwardChain({ overlayPort }: { overlayPort: number }, priority: number, policy: 'accept' | 'drop'): Chain {
  return {
    name: 'forward',
    base: { type: 'filter', hook: 'forward', priority, policy },
    rules: [commented('forwarded VXLAN', rule(match.udpDport(overlayPort), counter(), verdict.drop()))],
  };
}

function tenantGuard(intent: TenantGuardIntent, features: KernelFeatures): Table {
  const forward = forwardChain(intent, FILTER, 'drop');
  if (!intent.routing) return { ...WEFT_TABLE, sets: [], chains: [forward] };
  const routing = tenantRouting(intent.routing, features);
  const known = intent.known ? { sets: knownSets(intent.known), rules: knownRules() } : { sets: [], rules: [] };
  const rules = [...forward.rules, ...known.rules, ...routing.forward];
  return { ...WEFT_TABLE, sets: [...known.sets, ...routing.sets], chains: [{ ...forward, rules }, ...routing.chains] };
}

/**
 * Before anything resolves: the kernel's table of neighbours is one for all namespaces of the host, and whoever scans a
 * subnet by its gateway would fill it with addresses that nobody has.
 */
function knownRules(): Rule[] {
  const into = matchPrefix('oifname', 'wb');
  const nobody = 'nobody has this address';
  return [
    commented(
      nobody,
      rule(into, match.nfproto('ipv4'), match.notInSet(SETS.known4, KNOWN4), counter(), verdict.drop()),
    ),
    commented(
      nobody,
      rule(into, match.nfproto('ipv6'), match.notInSet(SETS.known6, KNOWN6), counter(), verdict.drop()),
    ),
  ];
}

function probeKey(vtep: string): KeyField[] {
  return memberKey(vtep).filter((_field, i) => i !== 1);
}

function memberKey(vtep: string): KeyField[] {
  return [
    keyField.from(vtep.includes(':') ? 'ip6 saddr' : 'ip saddr'),
    keyField.raw('transport', VNI_OFFSET, 24),
    keyField.raw('transport', INNER_SOURCE_MAC_OFFSET, 48),
  ];
}

function memberHex(key: KeyField[], { source, vni, mac }: GuardMember): string {
  return concatenate(key, [addressHex(source), integer(vni, 3), mac.replaceAll(':', '')]);
}
