/**
 * Publishing ports of an endpoint of this host. They are part of the endpoint's record, so that the journal keeps them with it
 * and they end with it; a port is the endpoint's from the record on, whatever the kernel is doing.
 */
import { WeftError } from '../../model/errors.ts';
import { keys } from '../../model/keys.ts';
import type { Endpoint, Network, Publication } from '../../model/objects.ts';
import { familiesOf } from '../../model/ports/places.ts';
import { checkWishes } from '../../model/ports/wish.ts';
import type { PortWish } from '../../model/ports/wish.ts';
import { commit } from '../commit.ts';
import type { ControlDeps } from '../context.ts';
import { plumbed } from '../endpoints.ts';
import type { CallContext } from '../port.ts';
import { networkName } from '../references.ts';
import { recordPorts } from './choose.ts';

/** Finds the endpoint in the present picture; throws where it has to be there and is not. */
type Find = () => Endpoint;

/**
 * As a whole: what is not among the wishes ends. Returns when this host's kernel has them. Throws `port-taken`,
 * `ports-unsupported`, `invalid-argument`.
 */
export async function publishPorts(
  deps: ControlDeps,
  find: Find,
  wishes: readonly PortWish[],
  context: CallContext = {},
): Promise<Publication[]> {
  const checked = checkWishes('ports', wishes, deps.settings.overlayPort);
  const { result: first } = await commit(deps, () => ({ compare: [], then: [], result: find() }), context);
  if (checked.length === 0 && (first.ports ?? []).length === 0) return [];
  if (checked.length > 0) assertLeadsOut(deps, deps.view.current().state.networks.get(first.network));
  const ask = () => {
    const { id, addresses, ports: had = [] } = find();
    return { wishes: checked, seeker: { id, families: familiesOf(addresses), had } };
  };
  const { made, settle } = await recordPorts(deps, ask, (publications) =>
    commit(deps, () => decidePorts(find(), publications), context),
  );
  try {
    await plumbed(deps, made, context);
    return made.result.ports ?? [];
  } finally {
    settle();
  }
}

/** Idempotent, and no failure for what is gone; the kernel lets go a moment later. */
export async function unpublishPorts(
  deps: ControlDeps,
  find: () => Endpoint | undefined,
  context: CallContext = {},
): Promise<void> {
  const decide = () => {
    const endpoint = find();
    const none = { compare: [], then: [], result: undefined };
    if (!endpoint || (endpoint.ports ?? []).length === 0) return none;
    return { ...decidePorts(endpoint, []), result: endpoint, release: true };
  };
  const { result } = await commit(deps, decide, context);
  if (result) deps.reconciler.wake({ kind: 'tenant', tenant: result.tenant, reason: `unpublish ${result.id}` });
}

function decidePorts(endpoint: Endpoint, ports: Publication[]) {
  const changed: Endpoint = { ...endpoint, ports };
  if (ports.length === 0) delete changed.ports;
  return {
    compare: [],
    then: [{ put: keys.endpoint(endpoint.network, endpoint.id), value: changed }],
    result: changed,
  };
}

/** An internal network has no gateway that an answer could take. */
export function assertLeadsOut(deps: ControlDeps, network: Network | undefined): void {
  if (network?.internal !== true) return;
  const object = networkName(deps.view.current().state, network);
  throw new WeftError('ports-unsupported', `${object} is internal: nothing leads into it from outside`, {
    object,
    next: 'connect the container to a network that is not internal as well',
  });
}
