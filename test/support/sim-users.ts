/** People who attach and detach containers by hand. */
import type { EndpointView } from '../../src/control/port.ts';
import type { Calls, SimNetworkPlan } from './sim-calls.ts';
import type { SimDaemon } from './sim-daemon.ts';
import type { Live } from './sim-judge.ts';

export class Users {
  readonly #calls: Calls;
  #containers = 0;
  /** answered attaches, for what a simulation has tried */
  attached = 0;

  constructor(calls: Calls) {
    this.#calls = calls;
  }

  attach(): void {
    const daemon = this.#calls.someDaemon();
    const network = this.#calls.someNetwork();
    if (daemon && network) this.#attachOn(daemon, network, undefined);
  }

  attachWish(): void {
    const daemon = this.#calls.someDaemon();
    const network = this.#calls.someNetwork();
    if (!daemon || !network) return;
    this.#attachOn(daemon, network, this.#calls.someAddress(this.#calls.world.random.pick(network.cidrs)));
  }

  detach(): void {
    const live = this.#calls.someLive();
    if (live?.host.daemon?.control) this.detachOn(live.host.daemon, live.endpoint);
  }

  detachOn(daemon: SimDaemon, endpoint: string): void {
    const { control } = daemon;
    if (!control) return;
    const live = this.#calls.world.judge.ended(endpoint);
    void this.#calls.call(daemon, `detach ${live?.addresses.join() ?? endpoint}`, () => control.detach(endpoint));
  }

  #attachOn(daemon: SimDaemon, network: SimNetworkPlan, wanted: string | undefined): void {
    const { control, deps } = daemon;
    if (!control || !deps) return;
    const container = `c${++this.#containers}`;
    const unproven = !deps.ownership.standing.isProven();
    const request = {
      network: network.ref,
      netns: `/run/${container}`,
      ...(wanted === undefined ? {} : { addresses: [wanted] }),
    };
    void this.#calls.call(daemon, `attach ${container}${wanted === undefined ? '' : ` ${wanted}`}`, async () => {
      const view = await control.attach(request);
      if (!daemon.alive) return '';
      this.attached++;
      this.#calls.world.judge.attached(daemon, liveOf(view, daemon), { wanted, unproven });
      return view.addresses.join();
    });
  }
}

/** The network is asked for, since one of the same name may have come in the place of the one that was meant. */
export function liveOf(view: EndpointView, daemon: SimDaemon): Live {
  const { host, deps } = daemon;
  const addresses = view.addresses.map((cidr) => cidr.split('/')[0] ?? '');
  const network = deps?.view.current().state.endpoints.get(view.id)?.network ?? '';
  return {
    ...{ kind: view.engine.type === 'manual' ? 'manual' : 'engine', endpoint: view.id },
    ...{ network, addresses, host, node: host.nodeId },
  };
}
