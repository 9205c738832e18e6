/** What no node sees alone: all their answers against each other and against the store. Pure. */
import { bareAddress, lastOf, overlaps } from '../model/address/cidr.ts';
import type { Cidr } from '../model/address/cidr.ts';
import type { ClusterState } from '../model/cluster.ts';
import type { Finding } from '../model/finding.ts';
import { cidrFrom } from '../model/ipam/blocks.ts';
import { BEGIN_ANEW, deleteRecord, REPORT } from './commands.ts';
import { addressName, endpointName, networkName, nodeName } from './names.ts';
import type { NodeAnswer, SilentNode } from './pictures.ts';

export interface ClusterPicture {
  state: ClusterState;
  /** ids of nodes whose membership was ended: what they had goes by itself */
  forgotten: ReadonlySet<string>;
  answers: readonly NodeAnswer[];
  silent: readonly SilentNode[];
  /** the store's revision that every node should have applied by now */
  revision: number;
}

export function auditCluster(picture: ClusterPicture): Finding[] {
  return [
    ...picture.silent.map(silentFinding),
    ...behindFindings(picture),
    ...addressesTwice(picture),
    ...spaceTwice(picture),
    ...leakedAddresses(picture),
    ...ownerlessRecords(picture),
  ];
}

function silentFinding({ name, live, reason }: SilentNode): Finding {
  const heard = live ? 'its lease lives' : 'it is not heard from';
  const command = `systemctl restart weftd on ${name}${live ? '' : `; if it is lost: weft node forget ${name}`}`;
  return { code: 'node-silent', node: name, object: name, evidence: `${heard}; it did not answer: ${reason}`, command };
}

function behindFindings({ answers, revision }: ClusterPicture): Finding[] {
  return answers
    .filter(({ applied }) => applied.revision < revision)
    .map(({ name, applied }) => ({
      code: 'node-behind',
      node: name,
      object: name,
      evidence: `its kernel is at revision ${applied.revision} of the store, others have seen ${revision}`,
      command: `on ${name}: ${BEGIN_ANEW}`,
    }));
}

interface Holder {
  node: string;
  endpoint: string;
}

/** By what nodes say of themselves; for those that said nothing, by what the store has of them. */
function addressesTwice({ state, answers }: ClusterPicture): Finding[] {
  const holders = new Map<string, { network: string; address: string; by: Holder[] }>();
  const add = (network: string, address: string, holder: Holder) => {
    const key = `${network} ${address}`;
    const known = holders.get(key) ?? { network, address, by: [] };
    known.by.push(holder);
    holders.set(key, known);
  };
  const answered = new Set(answers.map(({ node }) => node));
  for (const { node, holdings } of answers) {
    for (const { network, address, endpoint } of holdings)
      if (endpoint !== '') add(network, address, { node, endpoint });
  }
  for (const { id, node, network, addresses } of state.endpoints.values()) {
    if (answered.has(node)) continue;
    for (const cidr of addresses) add(network, bareAddress(cidr), { node, endpoint: id });
  }
  return [...holders.values()].flatMap(({ network, address, by }) => {
    if (by.length < 2) return [];
    const named = by.map(({ node, endpoint }) => {
      const known = state.endpoints.get(endpoint);
      return `${known ? endpointName(state, known) : endpoint} on ${nodeName(state, node)}`;
    });
    const evidence = `held by ${named.join(' and ')}`;
    const object = addressName(state, { network, address });
    return [{ code: 'address-twice', node: '', object, evidence, command: `stop one of them; ${REPORT}` }];
  });
}

interface OwnedPart {
  owner: string;
  network: string;
  cidr: Cidr;
  part: string;
}

function spaceTwice({ state, answers }: ClusterPicture): Finding[] {
  const groups = new Map<string, OwnedPart[]>();
  for (const { name: owner, space } of answers) {
    for (const { network, part } of space) {
      const cidr = cidrFrom(part);
      const key = `${network} ${cidr.family}`;
      groups.set(key, [...(groups.get(key) ?? []), { owner, network, cidr, part }]);
    }
  }
  return [...groups.values()].flatMap((parts) =>
    overlapping(parts).map(([one, other]) => ({
      code: 'space-twice',
      node: '',
      object: `${networkName(state, one.network)} ${other.part}`,
      evidence: `${one.owner} owns ${one.part}, ${other.owner} owns ${other.part}`,
      command: REPORT,
    })),
  );
}

/** Each part with the one before it that reaches farthest, where they overlap and are not one node's. */
function overlapping(parts: OwnedPart[]): [OwnedPart, OwnedPart][] {
  const sorted = parts.toSorted((a, b) => (a.cidr.first < b.cidr.first ? -1 : a.cidr.first > b.cidr.first ? 1 : 0));
  const found: [OwnedPart, OwnedPart][] = [];
  let farthest: OwnedPart | undefined;
  for (const part of sorted) {
    if (farthest && farthest.owner !== part.owner && overlaps(farthest.cidr, part.cidr)) found.push([farthest, part]);
    if (!farthest || lastOf(part.cidr) > lastOf(farthest.cidr)) farthest = part;
  }
  return found;
}

/** Of nodes that answered, their own look says it. */
function leakedAddresses({ state, answers }: ClusterPicture): Finding[] {
  const answered = new Set(answers.map(({ node }) => node));
  return [...state.addresses].flatMap(([key, record]) => {
    const { endpoint, node } = record;
    if (record.state !== 'bound' || endpoint === null || answered.has(node) || state.endpoints.has(endpoint)) return [];
    const evidence = `bound to endpoint ${endpoint}, which is not there`;
    return [
      {
        code: 'address-leaked',
        node: nodeName(state, node),
        object: addressName(state, record),
        evidence,
        command: deleteRecord(key),
      },
    ];
  });
}

/** Records of nodes that nobody knows, and of objects that are gone. */
function ownerlessRecords({ state, forgotten }: ClusterPicture): Finding[] {
  const isNode = (id: string) => state.nodes.has(id) || forgotten.has(id);
  const found: Finding[] = [];
  const look = (key: string, record: { node?: string; network?: string; endpoint?: string }) => {
    const lacks = [
      ...(record.node !== undefined && !isNode(record.node) ? [`node ${record.node}`] : []),
      ...(record.network !== undefined && !state.networks.has(record.network) ? [`network ${record.network}`] : []),
      ...(record.endpoint !== undefined && !state.endpoints.has(record.endpoint)
        ? [`endpoint ${record.endpoint}`]
        : []),
    ];
    if (lacks.length === 0) return;
    const evidence = `it belongs to ${lacks.join(' and ')}, which is not there`;
    found.push({ code: 'record-without-owner', node: '', object: key, evidence, command: deleteRecord(key) });
  };
  for (const [key, { node, network }] of state.addresses) {
    // Of other drivers' networks, which weft does not know.
    look(key, network.startsWith('ipam-') ? { node } : { node, network });
  }
  for (const { id, node, network } of state.endpoints.values()) look(`endpoints/${network}/${id}`, { node, network });
  for (const [key, { node, network }] of state.bindings) look(key, { node, network });
  for (const [key, { node }] of state.engines) look(key, { node });
  for (const { endpoint, node } of state.descriptions.values()) look(`labels/${endpoint}`, { node, endpoint });
  for (const [key, { network, parts }] of state.blocks) {
    look(key, { network });
    for (const { owner, cidr } of parts) if (!isNode(owner)) look(`${key} ${cidr}`, { node: owner });
  }
  return found;
}
