/**
 * Connections that are tracked from before a port was published, or to where it led before. Their packets pass the maps by:
 * a client that keeps sending would be led to a container that is gone for as long as it does.
 */
import { ConntrackSocket, IPS_DST_NAT, translationOf } from 'netlink-ts';
import type { Flow, Namespace, Table } from 'netlink-ts';
import { PORT_SETS, readPortElement } from './port-maps.ts';
import type { PortElement } from './port-maps.ts';
import { elementsOf, missingFrom } from './ruleset.ts';

/** The maps of a table as they were and as they are. */
export interface PortChange {
  before: Table | undefined;
  after: Table;
}

/** Elements that came, went or lead elsewhere; all of them where nothing was known before. */
export function changedPorts({ before, after }: PortChange): PortElement[] {
  return PORT_SETS.filter((name) => name.includes('ports')).flatMap((set) => {
    const [old, now] = [before ? elementsOf(before, set) : [], elementsOf(after, set)];
    return [...missingFrom(old, now), ...missingFrom(now, old)].map((element) => readPortElement(set, element));
  });
}

/** Of the flows to ports that changed, those that do not lead where the maps say now. How many went. */
export async function dropStaleFlows(
  { namespace, locals }: { namespace: Namespace; locals: ReadonlySet<string> },
  change: PortChange,
): Promise<number> {
  const changed = changedPorts(change);
  if (changed.length === 0) return 0;
  const now = PORT_SETS.flatMap((set) => elementsOf(change.after, set).map((one) => readPortElement(set, one)));
  const judge = { changed, now: now.filter(({ target }) => target !== undefined), locals };
  const conntrack = ConntrackSocket.open({ netns: namespace.fd });
  try {
    let gone = 0;
    for (const { family, protocol, port } of distinct(changed)) {
      const flows = await conntrack.list({ family, original: { protocol, destinationPort: port } });
      for (const flow of flows.filter((one) => isStale(one, judge))) gone += Number(await conntrack.delete(flow));
    }
    return gone;
  } finally {
    conntrack.close();
  }
}

export interface FlowJudge {
  changed: readonly PortElement[];
  now: readonly PortElement[];
  /** addresses of the namespace */
  locals: ReadonlySet<string>;
}

/** A flow to a port of others is none of ours: only one that a map, as it was or is, speaks of. */
export function isStale(flow: Flow, { changed, now, locals }: FlowJudge): boolean {
  const isLocal = locals.has(flow.original.destination) || flow.original.destination.startsWith('127.');
  const fits = ({ family, address, protocol, port }: PortElement) =>
    family === flow.family &&
    protocol === flow.original.protocol &&
    port === flow.original.destinationPort &&
    (address === undefined ? isLocal : address === flow.original.destination);
  const translated = (flow.status & IPS_DST_NAT) === 0 ? undefined : translationOf(flow).destination;
  const leadsTo = ({ target }: PortElement) =>
    target !== undefined && target.address === translated?.address && target.port === translated.port;
  const wanted = now.find((one) => one.address !== undefined && fits(one)) ?? now.find(fits);
  if (wanted) return !leadsTo(wanted);
  return changed.some((one) => fits(one) && leadsTo(one));
}

function distinct(ports: readonly PortElement[]): Pick<PortElement, 'family' | 'protocol' | 'port'>[] {
  return [...new Map(ports.map((one) => [`${one.family} ${one.protocol} ${one.port}`, one])).values()];
}
