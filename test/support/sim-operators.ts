/** Those who run the cluster: networks come, grow and go, nodes are forgotten, etcd is put back from a backup. */
import { prefixes } from '../../src/model/keys.ts';
import type { Network } from '../../src/model/objects.ts';
import type { MemoryBackup } from '../../src/store/memory-state.ts';
import type { Entry } from '../../src/store/port.ts';
import type { Calls } from './sim-calls.ts';
import type { SimWorld } from './sim-world.ts';

/** Of this many nodes some are never forgotten. */
const FEWEST = 2;
/** as many networks as there can be at a time */
const MOST_NETWORKS = 4;

export class Operators {
  readonly #calls: Calls;
  readonly #world: SimWorld;
  #networks = 0;
  #extensions = 0;
  /** of etcd; none while something was made since that is in no journal */
  #backup: MemoryBackup | undefined;

  /** how many each network has, as etcd has it */
  readonly #subnets = new Map<string, number>();

  constructor(calls: Calls) {
    this.#calls = calls;
    this.#world = calls.world;
    calls.world.etcd.onCommit(({ changes }) => {
      for (const change of changes) if (change.type === 'put') this.#made(change.entry);
    });
  }

  /** What was asked for before a backup may have come after it. */
  #made({ key, value }: Entry): void {
    if (key.startsWith(prefixes.forgotten)) this.#backup = undefined;
    if (!key.startsWith(prefixes.networks)) return;
    const { length } = (value as Network).subnets;
    if (this.#subnets.get(key) !== length) this.#backup = undefined;
    this.#subnets.set(key, length);
  }

  createNetwork(): Promise<void> {
    const daemon = this.#calls.someDaemon();
    if (!daemon?.control || this.#calls.networks.length >= MOST_NETWORKS) return Promise.resolve();
    const { control } = daemon;
    const index = this.#networks++;
    this.#backup = undefined;
    const cidrs = subnetsOf(index, this.#world);
    const name = `net${index}`;
    const plan = { ref: `default/${name}`, cidrs, id: '', leaving: false, forced: false };
    return this.#calls
      .call(daemon, `create ${plan.ref} ${cidrs.join()}`, () =>
        control.createNetwork({ tenant: 'default', name, subnets: cidrs.map((cidr) => ({ cidr })) }),
      )
      .then((made) => {
        if (made) this.#calls.networks.push({ ...plan, id: made.id });
      });
  }

  extendNetwork(): void {
    const daemon = this.#calls.someDaemon();
    const plan = this.#calls.someNetwork();
    if (!daemon?.control || !plan) return;
    const { control } = daemon;
    this.#backup = undefined;
    const cidr = `10.${100 + this.#extensions++}.0.0/${this.#world.random.pick([30, 29, 28])}`;
    const work = () => control.extendNetwork({ ref: plan.ref, revision: 0, subnet: { cidr } });
    void this.#calls.call(daemon, `extend ${plan.ref} ${cidr}`, work).then((extended) => {
      if (extended) plan.cidrs.push(cidr);
    });
  }

  deleteNetwork(): void {
    this.#delete(false);
  }

  forceNetwork(): void {
    this.#delete(true);
  }

  #delete(force: boolean): void {
    const daemon = this.#calls.someDaemon();
    const plan = this.#calls.someNetwork();
    if (!daemon?.control || !plan) return;
    const { control } = daemon;
    this.#backup = undefined;
    if (force) {
      plan.forced = plan.leaving = true;
      this.#world.judge.forced(plan.id);
    }
    void this.#calls.call(daemon, `delete ${plan.ref}${force ? ' by force' : ''}`, async () => {
      await control.deleteNetwork({ ref: plan.ref, force });
      this.#gone(plan.id);
    });
  }

  #gone(id: string): void {
    const { networks } = this.#calls;
    const at = networks.findIndex((plan) => plan.id === id);
    if (at >= 0) networks.splice(at, 1);
  }

  forget(): void {
    const daemon = this.#calls.someDaemon();
    const host = this.#calls.someHost();
    const { hosts, judge } = this.#world;
    const members = hosts.filter(({ nodeId, isCopy }) => !isCopy && !judge.fenced.has(nodeId)).length;
    if (!daemon?.control || this.#calls.spared || daemon.host === host || members <= FEWEST) return;
    const { control } = daemon;
    this.#backup = undefined;
    void this.#calls.call(daemon, `forget ${host.name}`, () => control.forgetNode({ ref: host.nodeId, force: true }));
  }

  backUpStore(): void {
    this.#world.note('etcd is backed up');
    this.#backup = this.#world.etcd.backup();
  }

  restoreStore(): void {
    if (!this.#backup) return;
    this.#world.note('etcd is restored from the backup');
    this.#world.etcd.restore(this.#backup);
  }

  resumeStore(): void {
    const daemon = this.#calls.someDaemon();
    if (!daemon?.control || !this.#world.isRecovering()) return;
    const { control } = daemon;
    void this.#calls.call(daemon, 'store resume', () => control.resumeStore({ force: false }));
  }
}

const PREFIXES = [30, 29, 28, 28, 27, 26, 25, 24, 22, 20];
const PREFIXES6 = [126, 124, 120, 112, 64];

/** Of IPv4 mostly, at times of IPv6, or both. */
function subnetsOf(index: number, { random }: SimWorld): string[] {
  const four = `10.${index}.0.0/${random.pick(PREFIXES)}`;
  const six = `fd00:0:0:${index + 1}::/${random.pick(PREFIXES6)}`;
  const kind = random.integer(6);
  return kind === 0 ? [six] : kind === 1 ? [four, six] : [four];
}
