/** A whole simulated cluster: what one seed decides of it, and what its parts share. */
import { keys } from '../../src/model/keys.ts';
import { WeftError } from '../../src/model/errors.ts';
import { encodeTransaction } from '../../src/store/transaction.ts';
import { noTrust } from './control.ts';
import { Random } from './random.ts';
import type { Bug } from './sim-bugs.ts';
import { SimClock } from './sim-clock.ts';
import { simSettings } from './sim-daemon.ts';
import { SimEtcd } from './sim-etcd.ts';
import { SimHost } from './sim-host.ts';
import { Judge } from './sim-judge.ts';
import { ETCD, SimNetwork } from './sim-network.ts';

export interface WorldOptions {
  seed: number;
  nodes: number;
  bug?: Bug | undefined;
}

/** lines of the trace that a failure shows */
const TRACE = 400;

export class SimWorld {
  readonly seed: number;
  readonly random: Random;
  readonly clock = new SimClock();
  readonly network: SimNetwork;
  readonly etcd: SimEtcd;
  readonly judge: Judge;
  readonly hosts: SimHost[] = [];
  readonly bug: Bug | undefined;
  readonly settings = simSettings;
  readonly trust = noTrust;
  #named = 0;
  readonly #trace: string[] = [];

  constructor({ seed, nodes, bug }: WorldOptions) {
    this.seed = seed;
    this.bug = bug;
    this.random = new Random(seed);
    this.network = new SimNetwork(this.clock, this.random);
    this.etcd = new SimEtcd(this.clock);
    this.judge = new Judge(this);
    this.network.onHealed((a, b) => {
      for (const host of this.hosts) if (host.name === a || host.name === b) host.linkChanged();
    });
    const then = [{ put: keys.settings, value: this.settings }];
    this.etcd.transact([], encodeTransaction({ compare: [], then }), { host: 'setup', node: '' });
    for (let i = 0; i < nodes; i++) this.addHost(nodeId(i));
  }

  /** A host, perhaps with the identity of another. */
  addHost(id: string): SimHost {
    const host = new SimHost(this, this.#named++, id);
    this.hosts.push(host);
    return host;
  }

  removeHost(host: SimHost): void {
    host.crash();
    this.hosts.splice(this.hosts.indexOf(host), 1);
  }

  /** The host that answers for a node: a copy has no address that anybody knows. */
  hostOf(node: string): SimHost | undefined {
    return this.hosts.find((host) => host.nodeId === node && !host.isCopy);
  }

  away(node: string): WeftError {
    return new WeftError('daemon-away', `${node} does not answer`);
  }

  /** A node has noticed that etcd was put back, and nobody said that it may go on. */
  isRecovering(): boolean {
    return this.hosts.some(({ daemon }) => daemon?.deps?.ownership.isRecovering() === true);
  }

  cutFromEtcd(host: SimHost): void {
    this.network.cut(host.name, ETCD);
    host.linkChanged();
  }

  note(line: string): void {
    this.#trace.push(`${String(this.clock.now).padStart(8)} ms  ${line}`);
    if (this.#trace.length > TRACE) this.#trace.shift();
  }

  trace(): string {
    return this.#trace.join('\n');
  }
}

export function nodeId(index: number): string {
  return `01K000000000000000000N${String(index).padStart(4, '0')}`;
}
