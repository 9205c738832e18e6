/** netlink-ts: 32 requests at a time, as the peer; all at once in `burst`, where its own window bounds what is in flight. */
import { RouteSocket } from 'netlink-ts';
import { address, child, GROUP, pipelined } from './child.mjs';

const rt = RouteSocket.open();
const { index } = (await rt.links.get({ name: 'b0' })) ?? {};
const WIDTH = 32;
const all = (count, one) => pipelined(count, WIDTH, one);
const addNeighbour = (i) => rt.neighbours.add({ index, address: address(i), mac: '02:00:00:00:00:01' });

await child({
  neighbours: (count) => all(count, addNeighbour),
  burst: (count) => pipelined(count, count, addNeighbour),
  addresses: (count) => all(count, (i) => rt.addresses.add({ index, address: address(i), prefix: 32 })),
  links: (count) => all(count, (i) => rt.links.create({ name: `l${i}`, kind: 'bridge', group: GROUP })),
  'dump neighbours': async () => (await rt.neighbours.list({ index, family: 4 })).length,
  'dump routes': async () => (await rt.routes.list({ family: 4 })).length,
});
