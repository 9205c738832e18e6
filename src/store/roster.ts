/** Who belongs to an etcd cluster, and by which addresses this node may reach them. Pure. */

/** An entry of etcd's member list. */
export interface Listed {
  id: string;
  /** as the member gives them to its clients; none before its first start */
  clientUrls: string[];
  /** takes no linearizable reads yet */
  learner: boolean;
}

/** By whose word an address is used: the settings', another node's, or the member list's. */
export type Source = 'configured' | 'told' | 'learned';

/** An address in use, as far as it is known. */
export interface Known {
  endpoint: string;
  source: Source;
  alive: boolean;
  /** of whoever answered there last */
  memberId: string | undefined;
}

/** bounds what a member list, or another node, can make this node connect to */
const MAX_ENDPOINTS = 16;

/**
 * The learned addresses to have from now on: those that are, as long as their member is listed with them; and one for each
 * voting member that no address leads to. A member is often known by another address than the one it tells (loopback for
 * the one on this host), and is not probed twice.
 */
export function learnedEndpoints(known: Known[], listed: Listed[]): string[] {
  const given = known.filter(({ source }) => source !== 'learned');
  const learned: string[] = [];
  for (const member of listed.filter(({ learner }) => !learner)) {
    const usable = member.clientUrls.flatMap((url) => safeEndpoint(url, known) ?? []);
    const kept = usable.find((endpoint) => known.some((one) => one.source === 'learned' && one.endpoint === endpoint));
    const isReached = given.some(({ alive, memberId }) => alive && memberId === member.id);
    const endpoint = kept ?? (isReached ? undefined : usable[0]);
    if (endpoint !== undefined && !given.some((one) => one.endpoint === endpoint)) learned.push(endpoint);
  }
  return [...new Set(learned)].slice(0, MAX_ENDPOINTS);
}

/** Of the addresses that another node tells, those that may be used. */
export function toldEndpoints(known: Known[], endpoints: readonly string[]): string[] {
  return [...new Set(endpoints.flatMap((url) => safeEndpoint(url, known) ?? []))].slice(0, MAX_ENDPOINTS);
}

/** How many of the voting members answer; of the addresses, as long as no list is known. */
export function countAlive(known: Known[], listed: Listed[] | undefined): { alive: number; total: number } {
  const answering = known.filter(({ alive }) => alive);
  const voters = listed?.filter(({ learner }) => !learner) ?? [];
  if (voters.length === 0) return { alive: answering.length, total: known.length };
  const alive = voters.filter(({ id }) => answering.some(({ memberId }) => memberId === id)).length;
  // whoever answers a linearizable read has a majority behind it, though the list may not have it yet
  return { alive: Math.max(alive, Math.min(answering.length, 1)), total: voters.length };
}

/**
 * Nothing is said to a member in clear, whatever others say; a loopback address would be this host's, not the member's,
 * unless the settings name one too.
 */
function safeEndpoint(url: string, known: Known[]): string | undefined {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed?.protocol !== 'https:' || parsed.username !== '' || parsed.host === '') return undefined;
  const endpoint = `https://${parsed.host}`;
  if (/^(0\.0\.0\.0|\[::\])$/.test(parsed.hostname)) return undefined;
  const acceptLoopback = known.some((one) => one.source === 'configured' && isLoopback(one.endpoint));
  return isLoopback(endpoint) && !acceptLoopback ? undefined : endpoint;
}

function isLoopback(endpoint: string): boolean {
  const { hostname } = new URL(endpoint);
  return hostname === 'localhost' || hostname === '[::1]' || hostname.startsWith('127.');
}
