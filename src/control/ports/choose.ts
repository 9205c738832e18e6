/** Ports of this host for an endpoint: chosen among what records and the kernel leave, and kept until they are recorded. */
import { hostPort } from '../../model/address/address.ts';
import { WeftError } from '../../model/errors.ts';
import { hash64 } from '../../model/names.ts';
import type { Publication } from '../../model/objects.ts';
import { choosePorts } from '../../model/ports/choose.ts';
import type { TakenPlace } from '../../model/ports/choose.ts';
import { familiesOf, placesOf } from '../../model/ports/places.ts';
import type { Families } from '../../model/ports/places.ts';
import type { PortWish } from '../../model/ports/wish.ts';
import type { ControlDeps } from '../context.ts';
import { endpointName } from '../references.ts';

/** Linux's own default (ip_local_port_range) */
const EPHEMERAL = { first: 32_768, last: 60_999 };
/** Each port in the way costs a look at the processes of the host. */
const ATTEMPTS = 64;

export interface PortSeeker {
  /** of the endpoint */
  id: string;
  families: Families;
  had: readonly Publication[];
}

/**
 * Chooses and records, in turn for the host: two who choose at once would choose the same. Whoever is given a result calls
 * `settle` when it is applied, or will not be. Throws `port-taken`, `ports-unsupported`.
 */
export function recordPorts<T>(
  deps: ControlDeps,
  ask: () => { wishes: readonly PortWish[]; seeker: PortSeeker },
  record: (publications: Publication[]) => Promise<T>,
): Promise<{ made: T; settle: () => void }> {
  return deps.turns.take('ports', async () => {
    const { wishes, seeker } = ask();
    const { publications, settle } = await takePorts(deps, wishes, seeker);
    try {
      return { made: await record(publications), settle };
    } catch (error) {
      settle();
      // The next round lets go of what is in no plan; no record that changed brings it on.
      deps.reconciler.wake({ kind: 'host', reason: 'ports were not recorded' });
      throw error;
    }
  });
}

async function takePorts(
  deps: ControlDeps,
  wishes: readonly PortWish[],
  seeker: PortSeeker,
): Promise<{ publications: Publication[]; settle: () => void }> {
  const { families, had } = seeker;
  const count = EPHEMERAL.last - EPHEMERAL.first + 1;
  const ephemeral = { ...EPHEMERAL, start: Number(hash64(seeker.id) % BigInt(count)) };
  const recorded = recordedPlaces(deps, seeker.id);
  const busy: TakenPlace[] = [];
  for (;;) {
    const taken = [...recorded, ...busy];
    const chosen = choosePorts(wishes, { families, had, ephemeral, taken });
    if ('refused' in chosen) throw refusal(deps, chosen.refused, chosen.holder);
    const { publications } = chosen;
    const claimed = await deps.ports.claim(publications.flatMap((one) => placesOf(one, families)));
    if ('settle' in claimed) return { publications, settle: claimed.settle };
    const { place, holder } = claimed;
    if (busy.push({ ...place, holder }) < ATTEMPTS) continue;
    const asked = wishes.find(({ protocol }) => protocol === place.protocol);
    throw refusal(deps, asked ?? { ...place, first: place.port, last: place.port }, { ...place, holder });
  }
}

function recordedPlaces({ view, node }: ControlDeps, except: string): TakenPlace[] {
  const { state } = view.current();
  return [...state.endpoints.values()].flatMap((endpoint) => {
    const { id, ports = [], addresses } = endpoint;
    if (endpoint.node !== node.id || id === except || ports.length === 0) return [];
    const holder = endpointName(state, endpoint);
    return ports.flatMap((one) => placesOf(one, familiesOf(addresses)).map((place) => ({ ...place, holder })));
  });
}

function refusal({ node }: ControlDeps, wish: PortWish, holder: TakenPlace | undefined): WeftError {
  const { address, first, last, protocol } = wish;
  const ports = first === last ? String(first) : `${first}-${last}`;
  const where = `${hostPort(address, ports)}/${protocol}`;
  if (!holder) {
    const family = address.includes(':') ? 'IPv6' : 'IPv4';
    return new WeftError('ports-unsupported', `${where}: the container has no ${family} address for it to lead to`, {
      object: where,
      next: `publish on an address of the other family, or give the network an ${family} subnet`,
    });
  }
  const told =
    first === last
      ? `${where} is held by ${holder.holder}`
      : `none of ${first === 0 ? `the ports for any` : where} is free: ${holder.port} is held by ${holder.holder}`;
  return new WeftError('port-taken', told, { object: where, host: node.name });
}
