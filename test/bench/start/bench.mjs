/**
 * How long an engine takes to start that was killed with 200 containers' endpoints in its records: it asks the driver to
 * remove each of them, one after the other, before it serves anybody. Of weft's networks, of its own bridge driver's in turn,
 * and with no such endpoint. README.md explains the table.
 */
import { performance } from 'node:perf_hooks';
import { labUp } from '../../../dist/lab/lab.js';
import { BenchHost, until } from '../attach/host.mjs';
import { inTurn, runsTable } from '../rounds.mjs';

const ROUNDS = 3;
const NETWORKS = 20;
const CONTAINERS = 10;
const STALE = NETWORKS * CONTAINERS;
/** ms; on a busy machine */
const START_DEADLINE = 180_000;
const SLEEP = ['sleep', '86400'];

const list = (count, prefix) => Array.from({ length: count }, (_, i) => `${prefix}${i}`);
const subnet = (i) => `10.${100 + i}.0.0/24`;

export async function* bench({ rounds = ROUNDS }) {
  const lab = await labUp({
    name: `bench-${process.pid}`,
    hosts: 1,
    engine: 'docker',
    onProgress: (step) => console.error(step),
  });
  const host = new BenchHost(lab.host(1));
  try {
    await host.open();
    const contestants = [
      { name: `${STALE} of weft`, run: () => staleStart(host, weftNetwork) },
      { name: `${STALE} of the bridge driver`, run: () => staleStart(host, bridgeNetwork) },
      { name: 'none', run: () => killedStart(host) },
    ];
    const results = await inTurn(contestants, rounds);
    yield runsTable('Start of an engine with stale endpoints in its records', { operations: STALE, results });
  } finally {
    await host.close();
    await lab.down();
  }
}

/** Internal: a container's way out would move from network to network while it joins them. */
function weftNetwork(name, i) {
  const options = { tenant: `tenant${i % 5}`, network: name };
  const ipam = { Driver: 'weft', Options: options, Config: [{ Subnet: subnet(i) }] };
  return { Name: name, Driver: 'weft', Internal: true, Options: options, IPAM: ipam };
}

function bridgeNetwork(name, i) {
  return { Name: name, Driver: 'bridge', Internal: true, IPAM: { Config: [{ Subnet: subnet(i) }] } };
}

async function staleStart(host, network) {
  const [networks, containers] = [list(NETWORKS, 'net'), list(CONTAINERS, 'box')];
  for (const [i, name] of networks.entries()) await host.docker('POST', '/networks/create', network(name, i));
  for (const name of containers) await startEverywhere(host, name, networks);
  const run = await killedStart(host);
  for (const name of networks) {
    const { Containers } = await host.docker('GET', `/networks/${name}`);
    if (Object.keys(Containers).length > 0) throw new Error(`${name} still has endpoints`);
  }
  for (const name of containers) await host.docker('DELETE', `/containers/${name}?force=1`);
  for (const name of networks) await host.docker('DELETE', `/networks/${name}`);
  return run;
}

async function startEverywhere(host, name, networks) {
  const wish = { Image: 'box', Cmd: SLEEP, HostConfig: { NetworkMode: networks[0] } };
  await host.docker('POST', `/containers/create?name=${name}`, wish);
  for (const network of networks.slice(1)) {
    await host.docker('POST', `/networks/${network}/connect`, { Container: name });
  }
  await host.docker('POST', `/containers/${name}/start`);
}

async function killedStart(host) {
  await host.host.kill('dockerd');
  const from = performance.now();
  // `start` waits less than an engine with 200 stale endpoints may take
  await host.host.start('dockerd').catch(() => undefined);
  await until(() => host.docker('GET', '/version').catch(() => undefined), 'the engine to serve', START_DEADLINE);
  return { milliseconds: performance.now() - from };
}
