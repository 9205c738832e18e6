/**
 * The lab that attaches are measured on: two hosts, each with weftd and a real dockerd. The containers that attach are on the
 * first and start with no network; whom they ping is on the second for weft, and on the first for Docker's bridge driver,
 * which knows no other host.
 */
import { labUp } from '../../../dist/lab/lab.js';
import { BenchHost, until } from './host.mjs';

const TENANT = 'acme';
const NETWORK = `${TENANT}/web`;
/** weft's network as the engine lists it */
const ENGINE_NETWORK = `${TENANT}.web`;
const BRIDGE = 'plain';
/** Addresses that were given back rest, and what was frozen cannot claim more: blocks of it are 2,048 addresses. */
const SUBNET = '10.64.0.0/10';
const BRIDGE_SUBNET = '172.30.0.0/16';
const SLEEP = ['sleep', '86400'];

export class World {
  static async raise({ containers, namespaces, onProgress }) {
    const name = `bench-${process.pid}`;
    const lab = await labUp({ name, hosts: 2, engine: 'docker', onProgress });
    const world = new World(lab);
    try {
      await world.#furnish({ containers, namespaces });
      return world;
    } catch (error) {
      await world.down();
      throw error;
    }
  }

  constructor(lab) {
    this.lab = lab;
    [this.here, this.there] = lab.hosts.map((host) => new BenchHost(host));
    this.containers = [];
    this.namespaces = [];
  }

  /** What weft's contestants are made of. */
  get weft() {
    return {
      network: NETWORK,
      engineNetwork: ENGINE_NETWORK,
      peer: this.weftPeer,
      tenant: { path: tenantPath, ports: 0 },
    };
  }

  get bridge() {
    return { network: BRIDGE, peer: this.bridgePeer };
  }

  /** The tenant's namespace on the other host, where hints arrive. */
  get remoteTenantPath() {
    return `${this.there.root}${tenantPath}`;
  }

  async freezeStore() {
    await this.lab.host(1).freeze('etcd');
    await this.#untilStore((state) => state !== 'ok');
  }

  async thawStore() {
    await this.lab.host(1).thaw('etcd');
    await this.#untilStore((state) => state === 'ok');
  }

  async down() {
    await Promise.allSettled([this.here.close(), this.there.close()]);
    await this.lab.down();
  }

  async #untilStore(condition) {
    const { weft } = this.here;
    await until(async () => condition((await weft.call('GetStatus', {})).store.state), 'the state of the store');
  }

  async #furnish({ containers, namespaces }) {
    const { here, there } = this;
    await Promise.all([here.open(), there.open()]);
    await here.run('weft', 'tenant', 'create', TENANT);
    await here.run('weft', 'network', 'create', NETWORK, '--subnet', SUBNET);
    await here.run('docker', 'network', 'create', '-d', 'bridge', '--subnet', BRIDGE_SUBNET, BRIDGE);
    for (const host of [here, there]) {
      const listed = () => host.docker('GET', `/networks/${ENGINE_NETWORK}`).catch(() => undefined);
      await until(listed, `${ENGINE_NETWORK} in the engine of ${host.host.name}`);
    }
    this.weftPeer = await startPeer(there, ENGINE_NETWORK);
    this.bridgePeer = await startPeer(here, BRIDGE);
    for (let i = 0; i < containers; i++) this.containers.push(await startLoose(here, `box${i}`));
    for (let i = 0; i < namespaces; i++) {
      await here.run('ip', 'netns', 'add', `box${i}`);
      this.namespaces.push(`/run/netns/box${i}`);
    }
  }
}

const tenantPath = `/run/weft/netns/${TENANT}`;

async function startPeer(host, network) {
  await host.run('docker', 'run', '-d', '--name', `peer-${network}`, '--network', network, 'box', ...SLEEP);
  const { NetworkSettings } = await host.docker('GET', `/containers/peer-${network}/json`);
  return NetworkSettings.Networks[network].IPAddress;
}

/** One started with `--network none` could join no other. */
async function startLoose(host, name) {
  const id = await host.run('docker', 'run', '-d', '--name', name, 'box', ...SLEEP);
  await host.docker('POST', '/networks/bridge/disconnect', { Container: id, Force: false });
  const { State } = await host.docker('GET', `/containers/${id}/json`);
  return { id, pid: State.Pid };
}
