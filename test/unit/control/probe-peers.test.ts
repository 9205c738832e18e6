/** Which probes are sent to whom, before and after what, and what is made of those that the others have seen. */
import { describe, expect, it } from 'vitest';
import { probePeers } from '../../../src/control/examination/probe-peers.ts';
import type { ClusterState } from '../../../src/model/cluster.ts';
import type { Node } from '../../../src/model/objects.ts';
import type { Probe } from '../../../src/plan/probes.ts';
import { clusterSettings, StateBuilder } from '../../support/cluster-state.ts';

const cluster = () => new StateBuilder().tenant('acme').node('host1', '192.0.2.1').node('host2', '192.0.2.2');

/** host1 probes; what arrives at another is noted there from its first question on, as far as `passes` lets it. */
async function probe(
  state: ClusterState,
  options: { passes?: (sent: Probe) => boolean; guarded?: boolean; own?: Partial<Node> } = {},
) {
  const { passes = () => true, guarded = true, own } = options;
  const listening = new Set<string>();
  const sent: Probe[] = [];
  const noted: Probe[] = [];
  const view = { current: () => ({ state, complete: true }) };
  const probes = {
    send: (one: Probe) => {
      sent.push(one);
      if (listening.has(one.to) && passes(one)) noted.push(one);
      return Promise.resolve();
    },
    seen: () => Promise.resolve(undefined),
  };
  const examiners = {
    examineNode: () => Promise.reject(new Error('not asked for')),
    seenProbes: (node: string) => {
      const { vtep } = state.nodes.get(node)!;
      listening.add(vtep);
      return Promise.resolve({ guarded, macs: noted.filter(({ to }) => to === vtep).map(({ mac }) => mac) });
    },
  };
  const deps = { view, settings: clusterSettings(), probes, examiners };
  const ways = await probePeers(deps, { ...state.nodes.get('host1')!, ...own });
  return { ways, sent, sizes: [...new Set(sent.map(({ bytes }) => bytes))] };
}

describe('the ways to the other nodes', () => {
  it('are tried without any network, by what the first would get', async () => {
    const { ways, sizes } = await probe(cluster().build());
    expect(sizes).toEqual([128, 1500]);
    expect(ways).toEqual([{ node: 'host2', vtep: '192.0.2.2', bytes: 1500, small: true, large: true }]);
  });

  it('are tried for the largest network of the cluster, whoever has it', async () => {
    const builder = cluster().network('acme', 'web', { vni: 0x100000, mtu: 1300 });
    const { sizes, ways } = await probe(builder.network('acme', 'db', { vni: 0x100001, mtu: 1400 }).build());
    expect(sizes).toEqual([128, 1450]);
    expect(ways).toHaveLength(1);
  });

  it('are tried with what the own interface carries, where that is less', async () => {
    const { sizes } = await probe(cluster().build(), { own: { underlayMtu: 1400 } });
    expect(sizes).toEqual([128, 1400]);
  });

  it('are told apart: closed for all, or for what is large', async () => {
    const state = cluster().node('host3', '192.0.2.3').build();
    const { ways } = await probe(state, { passes: ({ to, bytes }) => to === '192.0.2.2' && bytes <= 1400 });
    expect(ways).toMatchObject([
      { node: 'host2', small: true, large: false },
      { node: 'host3', small: false, large: false },
    ]);
  });

  it('are told of with the reason where nothing can be sent', async () => {
    const state = cluster().node('host3', '192.0.2.3').build();
    const passes = ({ to }: Probe) => {
      if (to === '192.0.2.3') throw new Error('send EPERM 192.0.2.3');
      return true;
    };
    const { ways } = await probe(state, { passes });
    expect(ways).toMatchObject([
      { node: 'host2', large: true },
      { node: 'host3', vtep: '192.0.2.3', reason: 'send EPERM 192.0.2.3' },
    ]);
  });

  it('are not judged where the other can note nothing, nor tried to one that is away', async () => {
    expect(await probe(cluster().build(), { guarded: false })).toMatchObject({ ways: [], sent: [] });
    expect(await probe({ ...cluster().build(), live: new Set(['host1']) })).toMatchObject({ ways: [], sent: [] });
  });
});
