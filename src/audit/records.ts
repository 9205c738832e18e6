/** A node's journal against the store, and against itself. Pure. */
import { bareAddress } from '../model/address/cidr.ts';
import { keys, prefixes } from '../model/keys.ts';
import type { Finding } from '../model/finding.ts';
import type { AddressRecord, Endpoint } from '../model/objects.ts';
import { attachAgain, deleteRecord, CATCH_UP, REPORT } from './commands.ts';
import { addressName, endpointName } from './names.ts';
import type { NodePicture, RecordDifference } from './pictures.ts';

/** milliseconds of wall clock: many times what holds and rests take, so that a clock that is set makes no finding */
const HELD_LONG = 10 * 60_000;
const RESTING_LONG = 15 * 60_000;

export function auditRecords(picture: NodePicture): Finding[] {
  return [
    ...picture.journal.differences.map((difference) => differenceFinding(picture, difference)),
    ...picture.journal.addresses.flatMap((record) => addressFindings(picture, record)),
    ...picture.journal.endpoints.flatMap((endpoint) => endpointFindings(picture, endpoint)),
  ];
}

function differenceFinding({ node, state }: NodePicture, { key, state: how }: RecordDifference): Finding {
  const address = state.addresses.get(key);
  const endpoint = key.startsWith(prefixes.endpoints)
    ? state.endpoints.get(key.slice(key.lastIndexOf('/') + 1))
    : undefined;
  const object = address ? addressName(state, address) : endpoint ? endpointName(state, endpoint) : key;
  const base = { node: node.name, object };
  if (how === 'unowned') {
    const code = address ? 'address-leaked' : endpoint ? 'endpoint-leaked' : 'record-leaked';
    const said = address ? ` (${address.state}${ofEndpoint(address)})` : '';
    const evidence = `etcd has ${key} as ${node.name}'s${said}, and the journal of ${node.name} does not`;
    return { ...base, code, evidence, command: deleteRecord(key) };
  }
  const evidence =
    how === 'unpublished'
      ? `the journal of ${node.name} has ${key} and says that etcd has it, and etcd does not`
      : `${key} is another in etcd than in the journal of ${node.name}`;
  const command = endpoint ? attachAgain(state, endpoint) : REPORT;
  return { ...base, code: `record-${how}`, evidence, command };
}

function addressFindings({ node, state, journal, now }: NodePicture, record: AddressRecord): Finding[] {
  const base = { node: node.name, object: addressName(state, record) };
  const age = now - Date.parse(record.since);
  if (!state.networks.has(record.network)) {
    const evidence = `the journal of ${node.name} has it (${record.state}), and its network is gone`;
    return [{ ...base, code: 'address-astray', evidence, command: REPORT }];
  }
  switch (record.state) {
    case 'bound': {
      if (journal.endpoints.some(({ id }) => id === record.endpoint)) return [];
      const evidence = `the journal of ${node.name} has it${ofEndpoint(record)}, which is not there`;
      return [{ ...base, code: 'address-leaked', evidence, command: REPORT }];
    }
    case 'held': {
      if (age < HELD_LONG) return [];
      const evidence = `held for an engine since ${record.since}; no endpoint took it`;
      return [{ ...base, code: 'address-held-long', evidence, command: 'systemctl restart weftd' }];
    }
    case 'resting': {
      if (age < RESTING_LONG) return [];
      const evidence = `rests since ${record.since}, until every live node has applied its release`;
      return [{ ...base, code: 'address-resting-long', evidence, command: CATCH_UP }];
    }
  }
}

function ofEndpoint({ endpoint }: AddressRecord): string {
  return endpoint === null ? '' : ` for endpoint ${endpoint}`;
}

function endpointFindings({ node, state, journal }: NodePicture, endpoint: Endpoint): Finding[] {
  const object = endpointName(state, endpoint);
  const bound = new Set(journal.addresses.filter((one) => one.endpoint === endpoint.id).map(({ address }) => address));
  const lacking = endpoint.addresses.map(bareAddress).filter((address) => !bound.has(address));
  if (lacking.length === 0) return [];
  const evidence = lacking.map((address) => `${keys.address(endpoint.network, address)} is not bound to it`).join(', ');
  return [
    { code: 'endpoint-without-address', node: node.name, object, evidence, command: attachAgain(state, endpoint) },
  ];
}
