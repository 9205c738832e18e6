/** A subnet that is also a route of the host: its containers reach each other, and never what is behind that route. */
import { overlaps, parseCidr } from '../model/address/cidr.ts';
import type { Check } from './checks.ts';

export const checkSubnets: Check = ({ state, facts: { routes } }) => {
  const led = routes.flatMap((route) => {
    const cidr = parseCidr(route.destination);
    return cidr ? [{ ...route, cidr }] : [];
  });
  return [...state.networks.values()].flatMap((network) => {
    const name = `${state.tenants.get(network.tenant)?.name ?? network.tenant}/${network.name}`;
    return network.subnets.flatMap((subnet) => {
      const own = parseCidr(subnet.cidr);
      const hidden = led.filter(({ cidr }) => own && overlaps(own, cidr));
      if (hidden.length === 0) return [];
      const named = hidden.map(({ destination, interface: link }) => `${destination} (${link})`).join(', ');
      const evidence = `this host has a route to ${named}: containers of ${name} do not reach what is there`;
      const command = `move the network to another subnet, or leave it so if they need not: ip route show ${subnet.cidr}`;
      return [{ code: 'subnet-overlaps-route', object: `${name} ${subnet.cidr}`, evidence, command }];
    });
  });
};
