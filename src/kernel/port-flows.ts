/**
 * Connections that are tracked from before a port was published, or to where it led before. Their packets pass the maps by:
 * a client that keeps sending would be led to a container that is gone for as long as it does.
 */
import { ConntrackSocket, IPS_DST_NAT, translationOf } from 'netlink-ts';
import type { Flow, Namespace, RouteSocket, Table } from 'netlink-ts';
import { PORT_MAPS, readPortElement } from './port-maps.ts';
import type { PortElement } from './port-maps.ts';
import { elementsOf, missingFrom } from './ruleset.ts';

/** Beyond, one dump of all connections costs less than to have the kernel choose. */
const MOST_DUMPS = 4;

/** The maps of a table as they were and as they are. */
export interface PortChange {
  before: Table | undefined;
  after: Table;
}

/** Elements that came, went or lead elsewhere; all of them where nothing was known before. */
function changedPorts({ before, after }: PortChange): PortElement[] {
  return PORT_MAPS.flatMap((set) => {
    const [old, now] = [before ? elementsOf(before, set) : [], elementsOf(after, set)];
    return [...missingFrom(old, now), ...missingFrom(now, old)].map((element) => readPortElement(set, element));
  });
}

/** Makes the tracked connections of one namespace follow its ports. */
export class PortFlows {
  readonly #host: { namespace: Namespace; rt: RouteSocket };
  /** whose connections may not follow yet: those of a change that failed are the next one's as well */
  #changed: PortElement[] = [];

  constructor(host: { namespace: Namespace; rt: RouteSocket }) {
    this.#host = host;
  }

  /** Of the flows to ports that changed, those go that do not lead where the maps say now. */
  async follow(change: PortChange): Promise<void> {
    if (change.before !== change.after) this.#changed.push(...changedPorts(change));
    if (this.#changed.length === 0) return;
    const { namespace, rt } = this.#host;
    const locals = new Set((await rt.addresses.list()).map(({ address }) => address));
    const now = PORT_MAPS.flatMap((set) => elementsOf(change.after, set).map((one) => readPortElement(set, one)));
    const judge = { changed: this.#changed, now, locals };
    const conntrack = ConntrackSocket.open({ netns: namespace.fd });
    try {
      for (const flow of await flowsTo(conntrack, this.#changed))
        if (isStale(flow, judge)) await conntrack.delete(flow);
      this.#changed = [];
    } finally {
      conntrack.close();
    }
  }
}

/** Each dump walks the whole table of connections, whatever it asks for. */
async function flowsTo(conntrack: ConntrackSocket, changed: readonly PortElement[]): Promise<Flow[]> {
  const keyOf = (family: number, protocol: number, port: number | undefined) => `${family} ${protocol} ${port}`;
  const ports = new Map(changed.map((one) => [keyOf(one.family, one.protocol, one.port), one]));
  if (ports.size > MOST_DUMPS) {
    const all = await conntrack.list();
    return all.filter(({ family, original }) => ports.has(keyOf(family, original.protocol, original.destinationPort)));
  }
  const flows: Flow[] = [];
  for (const { family, protocol, port } of ports.values())
    flows.push(...(await conntrack.list({ family, original: { protocol, destinationPort: port } })));
  return flows;
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
