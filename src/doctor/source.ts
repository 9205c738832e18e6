/**
 * A host with several addresses may answer by another than its VTEP's. Peers take VXLAN from the VTEP alone, and probes and
 * calls from where their routes point.
 */
import type { Check } from './checks.ts';

export const checkSource: Check = ({ node, state, facts: { ways } }) =>
  ways.flatMap(({ node: id, vtep, source }) => {
    const object = `the way to ${state.nodes.get(id)?.name ?? id}`;
    if (source === undefined) {
      const evidence = `there is no route to ${vtep}`;
      return [{ code: 'peer-unreachable', object, evidence, command: `ip route get ${vtep}` }];
    }
    if (source === node.vtep) return [];
    const evidence = `the kernel sends to ${vtep} from ${source}; the other node knows this one by ${node.vtep}`;
    const command = `ip route get ${vtep}; then set underlay.address to the right one, or the route's source (ip route change ... src ${node.vtep})`;
    return [{ code: 'source-address', object, evidence, command }];
  });
