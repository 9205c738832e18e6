/**
 * What dockerd does with the plugin, call by call, from 20.10 to 29: the order of calls of each action of a user, the way
 * back when one fails, and what a newer one does otherwise. It keeps what it was told and complains where an answer breaks
 * a promise; it never repairs anything, as the real one does not.
 */
import { createHash, randomBytes } from 'node:crypto';
import { parseAddress } from '../../src/model/address/address.ts';
import { contains, parseCidr } from '../../src/model/address/cidr.ts';
import { SPACE, gatewaysOf, ipamData, keyOf, macOption, textOf } from './fake-dockerd-records.ts';
import type {
  AttachWish,
  Claims,
  FakeContainer,
  FakeEndpoint,
  FakeNetwork,
  NetworkWish,
  Pool,
  SubnetWish,
  Version,
} from './fake-dockerd-records.ts';
import { PluginClient } from './plugin-client.ts';
import type { Fate } from './plugin-client.ts';

interface Setup {
  socketPath: string;
  version: Version;
  fateOf?: (method: string) => Fate;
  claims?: Claims;
}

const GATEWAY = { RequestAddressType: 'com.docker.network.gateway' };
const BODILESS = new Set(['Plugin.Activate', 'NetworkDriver.GetCapabilities', 'IpamDriver.GetCapabilities']);

export class FakeDockerd {
  readonly version: Version;
  readonly networks = new Map<string, FakeNetwork>();
  readonly containers = new Map<string, FakeContainer>();
  /** answers that break a promise */
  readonly complaints: string[] = [];
  /** methods in the order of their calls */
  readonly calls: string[] = [];
  readonly #client: PluginClient;
  readonly #claims: Claims;

  constructor({ socketPath, version, fateOf, claims = new Map() }: Setup) {
    this.version = version;
    this.#claims = claims;
    const host = version === 20 ? '' : 'plugin.moby.localhost';
    this.#client = new PluginClient({ socketPath, host, fateOf, complain: (text) => this.#complain(text) });
  }

  async activate(): Promise<void> {
    for (const method of BODILESS) await this.#call(method);
    await this.#call('IpamDriver.GetDefaultAddressSpaces');
  }

  async createNetwork(wish: NetworkWish): Promise<FakeNetwork> {
    if (this.networks.has(wish.name)) throw new Error(`network with name ${wish.name} already exists`);
    const network: FakeNetwork = { wish, id: randomBytes(32).toString('hex'), v4: [], v6: [] };
    try {
      for (const subnet of wish.v4) network.v4.push(await this.#allocatePool(wish, subnet, false));
      for (const subnet of wish.v6 ?? []) network.v6.push(await this.#allocatePool(wish, subnet, true));
      await this.#call('NetworkDriver.CreateNetwork', {
        NetworkID: network.id,
        Options: this.#networkOptions(wish),
        IPv4Data: network.v4.map(ipamData),
        IPv6Data: network.v6.length > 0 || this.version >= 28 ? network.v6.map(ipamData) : null,
      });
    } catch (error) {
      for (const pool of [...network.v4, ...network.v6]) await this.#releasePool(pool);
      throw error;
    }
    this.networks.set(wish.name, network);
    return network;
  }

  #networkOptions(wish: NetworkWish): Record<string, unknown> {
    return {
      'com.docker.network.generic': wish.options ?? {},
      'com.docker.network.enable_ipv6': (wish.v6 ?? []).length > 0,
      ...(this.version >= 28 ? { 'com.docker.network.enable_ipv4': wish.v4.length > 0 } : {}),
      ...(wish.internal ? { 'com.docker.network.internal': true } : {}),
    };
  }

  /** Subnets in the way of the host are kept until another one is found, so that they are not offered again. */
  async #allocatePool(wish: NetworkWish, subnet: SubnetWish, v6: boolean): Promise<Pool> {
    const rejected: string[] = [];
    const pool: Pool = { id: '', cidr: '', range: subnet.range ?? '', gateway: '', aux: {} };
    try {
      for (;;) {
        if (this.version >= 27) await this.#call('IpamDriver.GetDefaultAddressSpaces');
        const body = { AddressSpace: SPACE, Pool: subnet.cidr, SubPool: pool.range, Options: wish.ipamOptions ?? null };
        const answer = await this.#call('IpamDriver.RequestPool', { ...body, V6: v6 });
        pool.id = textOf(answer.PoolID);
        pool.cidr = textOf(answer.Pool);
        if (rejected.length > 100) throw new Error(`${pool.cidr} is offered without end`);
        if (subnet.cidr !== '' || rejected.length >= (wish.overlaps ?? 0)) break;
        rejected.push(pool.id);
      }
    } finally {
      for (const id of rejected) await this.#quietly('IpamDriver.ReleasePool', { PoolID: id });
    }
    try {
      pool.gateway = await this.#requestAddress(pool, subnet.gateway ?? '', GATEWAY);
      for (const [i, address] of (subnet.aux ?? []).entries()) {
        pool.aux[`aux${i}`] = await this.#requestAddress(pool, address, null);
      }
    } catch (error) {
      await this.#releasePool(pool);
      throw error;
    }
    return pool;
  }

  async #requestAddress(pool: Pool, wanted: string, options: object | null): Promise<string> {
    const body = { PoolID: pool.id, Address: wanted, Options: options };
    const cidr = textOf((await this.#call('IpamDriver.RequestAddress', body)).Address);
    const [text = '', length] = cidr.split('/');
    const address = parseAddress(text);
    const within = parseCidr(wanted === '' && pool.range !== '' && options !== GATEWAY ? pool.range : pool.cidr);
    const fits = address !== undefined && within !== undefined && contains(within, address);
    if (!fits || length !== pool.cidr.split('/')[1]) this.#complain(`${cidr} is no address of ${pool.cidr}`);
    if (wanted !== '' && text !== wanted) this.#complain(`${cidr} was given where ${wanted} was asked for`);
    return cidr;
  }

  async #releasePool(pool: Pool): Promise<void> {
    for (const cidr of [pool.gateway, ...Object.values(pool.aux)]) if (cidr !== '') await this.#release(pool, cidr);
    await this.#quietly('IpamDriver.ReleasePool', { PoolID: pool.id });
  }

  async #release(pool: Pool, cidr: string): Promise<void> {
    await this.#quietly('IpamDriver.ReleaseAddress', { PoolID: pool.id, Address: cidr.split('/')[0] });
  }

  /** Refused while a container is on it, without a call. */
  async removeNetwork(name: string): Promise<void> {
    const network = this.networks.get(name);
    const used = [...this.containers.values()].some((one) => one.endpoints.some((e) => e.network === network));
    if (!network || used) throw new Error(`network ${name} not found or in use`);
    this.networks.delete(name);
    for (const pool of [...network.v4, ...network.v6]) await this.#releasePool(pool);
    await this.#quietly('NetworkDriver.DeleteNetwork', { NetworkID: network.id });
  }

  /** A container on several networks joins one after the other; where one fails, the start does. */
  async run(name: string, networks: string[], wish: AttachWish & { ports?: number[] } = {}): Promise<FakeContainer> {
    if (this.containers.has(name)) throw new Error(`the container name ${name} is in use`);
    const container: FakeContainer = { name, ports: wish.ports ?? [], endpoints: [] };
    this.containers.set(name, container);
    try {
      for (const network of networks) await this.connect(name, network, wish);
    } catch (error) {
      await this.stop(name);
      throw error;
    }
    return container;
  }

  async connect(name: string, networkName: string, wish: AttachWish = {}): Promise<FakeEndpoint> {
    const container = this.#container(name);
    const network = this.#network(networkName);
    if (container.endpoints.some((one) => one.network === network)) throw new Error(`${name} is on ${networkName}`);
    await this.#look(container);
    // libnetwork makes an endpoint under the network's lock, and reads first whether the network is still there
    if (this.#network(networkName) !== network) throw new Error(`network ${network.id} not found`);
    const endpoint: FakeEndpoint = {
      ...{ network, id: randomBytes(32).toString('hex'), addresses: [], mac: wish.mac ?? '' },
      ...{ gateway4: '', gateway6: '', forgotten: false },
    };
    const undo: (() => Promise<void>)[] = [];
    // Docker refuses to remove a network from here on.
    container.endpoints.push(endpoint);
    try {
      undo.push(() => this.#releaseAll(endpoint));
      await this.#hold(endpoint, name, wish);
      await this.#create(container, endpoint, wish);
      undo.push(() => this.#quietly('NetworkDriver.DeleteEndpoint', keyOf(endpoint)));
      const before = gatewaysOf(container, this.version, endpoint);
      await this.#join(container, endpoint);
      undo.push(() => this.#quietly('NetworkDriver.Leave', keyOf(endpoint)));
      await this.#moveGateway(container, before);
      await this.#look(container);
    } catch (error) {
      container.endpoints = container.endpoints.filter((one) => one !== endpoint);
      for (const step of undo.reverse()) await step();
      throw error;
    }
    return endpoint;
  }

  async #hold(endpoint: FakeEndpoint, name: string, wish: AttachWish): Promise<void> {
    const { v4, v6 } = endpoint.network;
    const options = this.version >= 29 ? { 'com.docker.network.endpoint.name': name } : null;
    for (const [pools, wanted] of [
      [v4, wish.ip ?? ''],
      [v6, wish.ip6 ?? ''],
    ] as const) {
      const asked = parseAddress(wanted);
      // a wish is for one of the networks: on the others any address will do
      const wished = pools.find(({ cidr }) => asked && contains(parseCidr(cidr) ?? never(cidr), asked));
      const pool = wished ?? pools[0];
      if (!pool) continue;
      const cidr = await this.#requestAddress(pool, wished ? wanted : '', options);
      const owner = `${name}/${endpoint.id}`;
      const holder = this.#claims.get(this.#claim(endpoint, cidr));
      if (holder !== undefined) this.#complain(`${cidr} was given to ${owner} while ${holder} has it`);
      this.#claims.set(this.#claim(endpoint, cidr), owner);
      endpoint.addresses.push({ pool, cidr });
    }
  }

  async #create(container: FakeContainer, endpoint: FakeEndpoint, wish: AttachWish): Promise<void> {
    const v4 = endpoint.addresses.find(({ cidr }) => !cidr.includes(':'))?.cidr ?? '';
    const v6 = endpoint.addresses.find(({ cidr }) => cidr.includes(':'))?.cidr ?? '';
    const mac = wish.mac ?? '';
    const answer = await this.#call('NetworkDriver.CreateEndpoint', {
      ...keyOf(endpoint),
      Interface: { Address: v4, AddressIPv6: v6, MacAddress: mac },
      Options: { ...this.#ports(container, endpoint), ...macOption(mac) },
    });
    const given = (answer.Interface ?? {}) as Record<string, string>;
    // a value where there was one already makes dockerd roll back
    if (given.Address || given.AddressIPv6 || (mac !== '' && given.MacAddress)) this.#complain('a value was changed');
    if (mac === '') endpoint.mac = given.MacAddress ?? '';
    if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(endpoint.mac)) this.#complain(`"${endpoint.mac}" is no MAC address`);
  }

  async #join(container: FakeContainer, endpoint: FakeEndpoint): Promise<void> {
    const sandbox = createHash('sha256').update(container.name).digest('hex').slice(0, 12);
    const answer = await this.#call('NetworkDriver.Join', {
      ...keyOf(endpoint),
      SandboxKey: `/var/run/docker/netns/${sandbox}`,
      Options: this.#ports(container, endpoint),
    });
    const { SrcName = '', DstPrefix } = (answer.InterfaceName ?? {}) as Record<string, string>;
    if (SrcName === '' || SrcName.length > 15 || DstPrefix !== 'eth') this.#complain(`joined by "${SrcName}"`);
    // without it, or a gateway, the container is put on docker_gwbridge too
    if (answer.DisableGatewayService !== true) this.#complain('docker_gwbridge would be joined');
    const { internal } = endpoint.network.wish;
    for (const { pool, cidr } of endpoint.addresses) {
      const field = cidr.includes(':') ? 'GatewayIPv6' : 'Gateway';
      const promised = internal ? '' : pool.gateway.split('/')[0];
      if (answer[field] !== promised) this.#complain(`${field} is ${textOf(answer[field])}, not ${promised}`);
    }
    endpoint.gateway4 = textOf(answer.Gateway);
    endpoint.gateway6 = textOf(answer.GatewayIPv6);
  }

  /** Revoke where the way out was, Program where it is now. */
  async #moveGateway(container: FakeContainer, before: FakeEndpoint[], leaving?: FakeEndpoint): Promise<void> {
    const after = gatewaysOf(container, this.version, leaving);
    for (const one of before) {
      if (after.includes(one) || one.forgotten) continue;
      await this.#quietly('NetworkDriver.RevokeExternalConnectivity', keyOf(one));
    }
    if (leaving) await this.#quietly('NetworkDriver.Leave', keyOf(leaving));
    for (const one of after) {
      if (before.includes(one) || one.forgotten) continue;
      const Options = { ...this.#ports(container, one), ...this.#proxyOption(after, one) };
      await this.#call('NetworkDriver.ProgramExternalConnectivity', { ...keyOf(one), Options });
    }
  }

  #proxyOption(gateways: FakeEndpoint[], one: FakeEndpoint): object {
    const other = this.version >= 28 && gateways.some((gateway) => gateway !== one && gateway.gateway6 !== '');
    return other ? { 'com.docker.network.driver.private.no_proxy_6to4': true } : {};
  }

  async disconnect(name: string, networkName: string): Promise<void> {
    const container = this.#container(name);
    const endpoint = container.endpoints.find((one) => one.network.wish.name === networkName);
    if (!endpoint) throw new Error(`${name} is not on ${networkName}`);
    await this.#detach(container, endpoint);
  }

  /** Errors on this way are logged by dockerd, and the endpoint forgotten all the same. */
  async #detach(container: FakeContainer, endpoint: FakeEndpoint): Promise<void> {
    const before = gatewaysOf(container, this.version);
    await this.#moveGateway(container, before, endpoint).catch(() => undefined);
    container.endpoints = container.endpoints.filter((one) => one !== endpoint);
    await this.#look(container).catch(() => undefined);
    await this.#quietly('NetworkDriver.DeleteEndpoint', keyOf(endpoint));
    await this.#releaseAll(endpoint);
  }

  async stop(name: string): Promise<void> {
    const container = this.#container(name);
    for (const endpoint of [...container.endpoints]) await this.#detach(container, endpoint);
    this.containers.delete(name);
  }

  /** With live-restore containers go on without a call; otherwise what is left of them is cleared away at the start. */
  async restart({ liveRestore }: { liveRestore: boolean }): Promise<void> {
    await this.activate();
    for (const container of [...this.containers.values()]) {
      if (!liveRestore) await this.stop(container.name);
      else if (this.version >= 29) for (const endpoint of container.endpoints) endpoint.forgotten = true;
    }
  }

  async #releaseAll(endpoint: FakeEndpoint): Promise<void> {
    for (const { pool, cidr } of endpoint.addresses) {
      this.#claims.delete(this.#claim(endpoint, cidr));
      await this.#release(pool, cidr);
    }
  }

  /** EndpointOperInfo of all endpoints; its failure fails what it is part of. */
  async #look(container: FakeContainer): Promise<void> {
    for (const endpoint of container.endpoints) {
      const { Value } = await this.#call('NetworkDriver.EndpointOperInfo', keyOf(endpoint));
      if (typeof Value !== 'object' || Value === null) this.#complain('EndpointOperInfo has no value');
    }
  }

  /** Sent to every network that is not internal, whoever is to publish them. */
  #ports(container: FakeContainer, endpoint: FakeEndpoint): object {
    if (endpoint.network.wish.internal) return {};
    const portMap = container.ports.map((port) => ({ Proto: 6, Port: port, HostPort: port, HostPortEnd: port }));
    const exposed = container.ports.map((port) => ({ Proto: 6, Port: port }));
    return { 'com.docker.network.portmap': portMap, 'com.docker.network.endpoint.exposedports': exposed };
  }

  /** Of one network of the cluster, or of this engine's own where none is named. */
  #claim({ network: { wish, id } }: FakeEndpoint, cidr: string): string {
    const { tenant = 'default', network } = { ...wish.options, ...wish.ipamOptions };
    return `${tenant}/${network ?? id}/${cidr}`;
  }

  #container(name: string): FakeContainer {
    const container = this.containers.get(name);
    if (!container) throw new Error(`no container ${name}`);
    return container;
  }

  #network(name: string): FakeNetwork {
    const network = this.networks.get(name);
    if (!network) throw new Error(`network ${name} not found`);
    return network;
  }

  async #call(method: string, body?: object): Promise<Record<string, unknown>> {
    this.calls.push(method.split('.')[1] ?? method);
    return await this.#client.call(method, body);
  }

  async #quietly(method: string, body: object): Promise<void> {
    await this.#call(method, body).catch(() => undefined);
  }

  #complain(text: string): void {
    this.complaints.push(`dockerd ${this.version}: ${text}`);
  }
}

function never(what: string): never {
  throw new TypeError(what);
}
