/** The underlay of this host against what the networks need, which was fixed when they were made. */
import { overlayOverhead } from '../model/cluster.ts';
import type { Check } from './checks.ts';

export const checkMtu: Check = ({ node, state, settings, facts: { underlay } }) => {
  if (!underlay) {
    const evidence = `no interface of this host has ${node.vtep}, by which the other nodes send to it`;
    const command = 'give the host its address back, or restart weftd with underlay.address set';
    return [{ code: 'vtep-gone', object: node.vtep, evidence, command }];
  }
  const carried = underlay.mtu - overlayOverhead(settings.vtepFamily);
  const largest = Math.max(0, ...[...state.networks.values()].map(({ mtu }) => mtu));
  const down = {
    code: 'underlay-down',
    object: underlay.interface,
    evidence: `the interface with ${node.vtep} is down`,
    command: `ip link set ${underlay.interface} up`,
  };
  const small = {
    code: 'mtu-too-small',
    object: underlay.interface,
    evidence: `its MTU is ${underlay.mtu}, which carries ${carried} bytes inside VXLAN; networks have up to ${largest}`,
    command: `ip link set ${underlay.interface} mtu ${largest + underlay.mtu - carried}`,
  };
  return [...(underlay.up ? [] : [down]), ...(largest > carried ? [small] : [])];
};
