/** Who reaches a published port, as whom, and why: the rules of plan/ports and plan/routing in words. Pure. */
import type { ClusterState } from '../../model/cluster.ts';
import { WeftError } from '../../model/errors.ts';
import type { Endpoint, Publication } from '../../model/objects.ts';
import { ANY, addressesAsked, familiesOf, familyOf, formatPlace } from '../../model/ports/places.ts';
import { checkProtocol } from '../../model/ports/protocol.ts';
import type { Condition } from '../../model/status.ts';
import { egressOf } from '../../plan/routing/uplinks.ts';
import type { ExplainPortRequest, PortExplanation, PortWay } from './port.ts';
import { portViews } from './views.ts';

const UPLINK = 'the address of the uplink on its host (169.254.64.0/18, or the cluster’s own IPv6 range)';

/** `here`: this node, and what it knows of itself */
export function explainPort(
  state: ClusterState,
  request: ExplainPortRequest,
  here: { node: string; conditions: readonly Condition[] },
): PortExplanation[] {
  const { port, node } = request;
  const protocol = checkProtocol('protocol', request.protocol);
  const found = [...state.endpoints.values()].flatMap((endpoint) =>
    (endpoint.ports ?? []).flatMap((publication, i) => {
      if (publication.hostPort !== port || publication.protocol !== protocol) return [];
      const view = portViews(state, endpoint)[i];
      if (!view || (node !== '' && node !== view.node && node !== endpoint.node)) return [];
      const conditions = endpoint.node === here.node ? here.conditions : [];
      return [{ port: view, ways: waysOf(state, endpoint, publication, conditions) }];
    }),
  );
  if (found.length > 0) return found;
  const where = node === '' ? 'no node' : node;
  throw new WeftError('port-not-found', `${port}/${protocol} is published on ${where}`, {
    object: `${port}/${protocol}`,
  });
}

function waysOf(
  state: ClusterState,
  endpoint: Endpoint,
  publication: Publication,
  conditions: readonly Condition[],
): PortWay[] {
  const host = state.nodes.get(endpoint.node)?.name ?? endpoint.node;
  const asked = addressesAsked(publication.address, familiesOf(endpoint.addresses));
  const beyond = asked.filter((address) => !address.startsWith('127.'));
  const places = asked
    .map((address) => formatPlace({ ...publication, address, port: publication.hostPort }))
    .join(', ');
  const open = (from: string, seenAs: string, why: string): PortWay => ({ from, reaches: true, seenAs, why });
  const shut = (from: string, why: string): PortWay => ({ from, reaches: false, seenAs: '', why });
  const off = [...state.tenants.values()].filter(({ id }) => egressOf(state, id).off).map(({ name }) => name);
  const own = 'their own address';
  const trouble = conditions.filter(({ type, object }) => isTrouble(type, object, asked, publication));
  const outside =
    beyond.length === 0
      ? [shut('other hosts', `it is published on ${asked.join(', ')} only`)]
      : [
          open('other hosts', own, `${host} gives what comes to ${places} the container as destination`),
          open(
            `clients with an address in a subnet of the tenant (${rangesOf(state, endpoint)})`,
            UPLINK,
            'the container would look for them in its own networks',
          ),
          open(`${host} itself, by its own addresses`, `the address of ${host} that it asks`, 'as from other hosts'),
          open(
            'containers on other hosts, with a way out',
            'the address of their host',
            'as everything outside sees them',
          ),
          open(
            `containers on ${host}, with a way out`,
            UPLINK,
            'also the container itself: their host turns them round',
          ),
        ];
  return [
    ...trouble.map(({ object, message }) => shut('some of those below, as it is now', `${object}: ${message}`)),
    ...outside,
    reachesLoopback(asked)
      ? open(`${host} itself, by 127.0.0.1`, UPLINK, 'a loopback address means the container itself there')
      : shut(`${host} itself, by 127.0.0.1`, `it is published on ${asked.join(', ')} only`),
    shut(`${host} itself, by [::1]`, 'the kernel leads nothing from there'),
    ...([4, 6] as const)
      .filter((family) => !asked.some((address) => familyOf(address) === family))
      .map((family) => shut(`anybody, by IPv${family}`, noFamily(endpoint, family))),
    shut('containers of internal networks', 'these have no way out'),
    ...(off.length > 0
      ? [shut(`containers of ${off.join(', ')}`, 'the way out of their tenant is off: weft egress show')]
      : []),
  ];
}

function isTrouble(
  type: string,
  object: string,
  asked: readonly string[],
  { protocol, hostPort }: Publication,
): boolean {
  if (type === 'forwarding-off') return asked.some((address) => object.includes(`ipv${familyOf(address)}`));
  return (
    type === 'port-taken' && asked.some((address) => object === formatPlace({ protocol, address, port: hostPort }))
  );
}

function reachesLoopback(asked: readonly string[]): boolean {
  return asked.some((address) => address === ANY[4] || address === '127.0.0.1');
}

function rangesOf(state: ClusterState, { tenant }: Endpoint): string {
  const networks = [...state.networks.values()].filter((network) => network.tenant === tenant);
  return networks.flatMap(({ subnets }) => subnets.map(({ cidr }) => cidr)).join(', ');
}

function noFamily({ addresses }: Endpoint, family: 4 | 6): string {
  const has = addresses.some((address) => familyOf(address) === family);
  return has ? 'it is published for the other family only' : `the container has no IPv${family} address`;
}
