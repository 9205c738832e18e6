/** Certificates for the hosts, from the CA in host1's own directory: what a node's join will do by itself. */
import { ulid } from 'ulid';
import {
  createAuthority,
  issueClientCertificate,
  issueMemberCertificate,
  issueNodeCertificate,
} from '../trust/authority.ts';
import type { Authority } from '../trust/authority.ts';
import { saveIdentity, saveMember } from '../trust/identity.ts';
import { members, pkiDirectory } from './provision.ts';
import type { HostState, LabState } from './state.ts';
import { address4, address6 } from './underlay.ts';

/** The CA that host1's weftd made at its first start, or will find there. */
export function openAuthority(lab: LabState): Promise<Authority> {
  const [first] = lab.hosts;
  if (first === undefined) throw new Error('a lab has hosts');
  return createAuthority(pkiDirectory(lab, first));
}

export async function issueIdentity(lab: LabState, host: HostState, authority: Authority): Promise<void> {
  const nodeId = ulid();
  const addresses = [address4(host.number), address6(host.number)];
  const node = await issueNodeCertificate(authority, { nodeId, name: host.name, addresses });
  await saveIdentity(pkiDirectory(lab, host), node, await issueClientCertificate(authority, { nodeId }));
}

export async function issueMembers(lab: LabState, authority: Authority): Promise<void> {
  for (const host of members(lab)) {
    const addresses = [address4(host.number), address6(host.number)];
    const member = await issueMemberCertificate(authority, { name: host.name, addresses });
    await saveMember(pkiDirectory(lab, host), member);
  }
}
