/**
 * Who attaches: each makes an interface of a container on a network, is checked, and takes it away again. A contestant is
 * { name, lanes, attach(lane), check(lane, attached), detach(lane, attached), settled(lane, seen) }: what the clock is
 * stopped for are attach and detach alone. A lane is a container, or a namespace, that nobody else uses at the same time.
 */
import { until } from './host.mjs';

/** `docker network connect` and `disconnect` of a running container, over the engine's API. */
export function engineContestant(host, { name, network, peer, containers, tenant }) {
  const connection = (lane) => ({ Container: containers[lane].id });
  return {
    name,
    lanes: containers.length,
    attach: (lane) => host.docker('POST', `/networks/${network}/connect`, connection(lane)),
    check: async (lane) => {
      const { pid } = containers[lane];
      const { NetworkSettings } = await host.docker('GET', `/containers/${containers[lane].id}/json`);
      const { IPAddress: address, MacAddress: mac } = NetworkSettings.Networks[network];
      await standsIn(host, pid, address);
      await host.reaches(pid, peer);
      return { address, mac };
    },
    detach: (lane) => host.docker('POST', `/networks/${network}/disconnect`, { ...connection(lane), Force: false }),
    settled: async (lane, { address }) => {
      if (await hasAddress(host, containers[lane].pid, address)) throw new Error(`${address} is still there`);
      if (tenant !== undefined) await linksGone(host, tenant);
    },
  };
}

/** weft.v1's AttachEndpoint and DetachEndpoint, in namespaces that no engine knows. */
export function apiContestant(host, { name, network, peer, namespaces, tenant }) {
  return {
    name,
    lanes: namespaces.length,
    attach: (lane) =>
      host.weft.call('AttachEndpoint', { network, netns: namespaces[lane], addresses: [], name: '', labels: {} }),
    check: async (lane, { addresses, mac }) => {
      const address = addresses[0].split('/')[0];
      await standsIn(host, namespaces[lane], address);
      await host.reaches(namespaces[lane], peer);
      return { address, mac };
    },
    detach: (_lane, { id }) => host.weft.call('DetachEndpoint', { ref: id }),
    settled: async (lane, { address }) => {
      if (await hasAddress(host, namespaces[lane], address)) throw new Error(`${address} is still there`);
      await linksGone(host, tenant);
    },
  };
}

async function standsIn(host, where, address) {
  if (!(await hasAddress(host, where, address))) throw new Error(`${address} is not in the container`);
}

async function hasAddress(host, where, address) {
  const rt = host.openRoutes(where);
  try {
    return (await rt.addresses.list()).some((one) => one.address === address);
  } finally {
    rt.close();
  }
}

/** No more ports than peers: what the kernel still takes away would meet the next contestant. */
async function linksGone(host, { path, ports }) {
  const rt = host.openRoutes(path);
  try {
    const count = async () => (await rt.links.list()).filter(({ name }) => name.startsWith('we')).length <= ports;
    await until(count, `the ports of ${path} to go`);
  } finally {
    rt.close();
  }
}
