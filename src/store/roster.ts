/** Who belongs to an etcd cluster, and by which addresses this node may reach them. Pure. */

/** An entry of etcd's member list. */
export interface Listed {
  id: string;
  /** as the member gives them to its clients; none before its first start */
  clientUrls: string[];
  /** takes no linearizable reads yet */
  learner: boolean;
}

/** An address in use, as far as it is known. */
export interface Known {
  endpoint: string;
  /** configured, not learned */
  seed: boolean;
  alive: boolean;
  /** of whoever answered there last */
  memberId: string | undefined;
}

/** bounds what a member list can make this node connect to */
const MAX_LEARNED = 16;

/**
 * The learned addresses to have from now on: those that are, as long as their member is listed with them; and one for each
 * voting member that no address leads to. A member is often known by another address than the one it tells (loopback for
 * the one on this host), and is not probed twice.
 */
export function learnedEndpoints(known: Known[], listed: Listed[]): string[] {
  const acceptLoopback = known.some(({ endpoint, seed }) => seed && isLoopback(endpoint));
  const seeds = new Set(known.filter(({ seed }) => seed).map(({ endpoint }) => endpoint));
  const learned: string[] = [];
  for (const member of listed.filter(({ learner }) => !learner)) {
    const usable = member.clientUrls.flatMap((url) => safeEndpoint(url, acceptLoopback) ?? []);
    const kept = usable.find((endpoint) => known.some((one) => !one.seed && one.endpoint === endpoint));
    const isReached = known.some(({ seed, alive, memberId }) => seed && alive && memberId === member.id);
    const endpoint = kept ?? (isReached ? undefined : usable[0]);
    if (endpoint !== undefined && !seeds.has(endpoint)) learned.push(endpoint);
  }
  return [...new Set(learned)].slice(0, MAX_LEARNED);
}

/** How many of the voting members answer; of the seeds, as long as no list is known. */
export function countAlive(known: Known[], listed: Listed[] | undefined): { alive: number; total: number } {
  const answering = known.filter(({ alive }) => alive);
  const voters = listed?.filter(({ learner }) => !learner) ?? [];
  if (voters.length === 0) return { alive: answering.length, total: known.length };
  const alive = voters.filter(({ id }) => answering.some(({ memberId }) => memberId === id)).length;
  // whoever answers a linearizable read has a majority behind it, though the list may not have it yet
  return { alive: Math.max(alive, Math.min(answering.length, 1)), total: voters.length };
}

/** Nothing is told to a member in clear, whatever the list says; a loopback address would be this host's, not the member's. */
function safeEndpoint(url: string, acceptLoopback: boolean): string | undefined {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed?.protocol !== 'https:' || parsed.username !== '' || parsed.host === '') return undefined;
  const endpoint = `https://${parsed.host}`;
  if (/^(0\.0\.0\.0|\[::\])$/.test(parsed.hostname)) return undefined;
  return isLoopback(endpoint) && !acceptLoopback ? undefined : endpoint;
}

function isLoopback(endpoint: string): boolean {
  const { hostname } = new URL(endpoint);
  return hostname === 'localhost' || hostname === '[::1]' || hostname.startsWith('127.');
}
