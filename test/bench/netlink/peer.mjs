/** The npm package `netlink`: 32 requests in flight, as ours has; with all of them at once it ends the process (burst). */
import { createRequire } from 'node:module';
import { address, child, GROUP, pipelined } from './child.mjs';

const WIDTH = 32;
const AF_INET = 2;
const CREATE = 0x600;
const { createRtNetlink } = createRequire(process.env.PEER_FOLDER)('netlink');
const socket = createRtNetlink();
const index = (await socket.getLinks()).find(({ attrs }) => attrs.ifname === 'b0')?.data.index;
const mac = Buffer.from('020000000001', 'hex');
const bytes = (i) => Buffer.from(address(i).split('.').map(Number));
/** IFLA_LINKINFO is bytes to it: IFLA_INFO_KIND "bridge" */
const bridge = Buffer.from('0b00010062726964676500', 'hex');

function addNeighbour(i) {
  const key = { family: AF_INET, ifindex: index, state: { permanent: true } };
  return socket.newNeighbor(key, { dst: bytes(i), lladdr: mac }, { flags: CREATE });
}

await child({
  neighbours: (count) => pipelined(count, WIDTH, addNeighbour),
  burst: (count) => pipelined(count, count, addNeighbour),
  addresses: (count) =>
    pipelined(count, WIDTH, (i) => {
      const local = bytes(i);
      return socket.newAddress({ family: AF_INET, prefixlen: 32, index }, { local, address: local }, { flags: CREATE });
    }),
  links: (count) =>
    pipelined(count, WIDTH, (i) =>
      socket.newLink({}, { ifname: `l${i}`, linkinfo: bridge, group: GROUP }, { flags: CREATE }),
    ),
  'dump neighbours': async () => {
    const found = await socket.getNeighbors({ family: AF_INET });
    return found.filter(({ data }) => data.ifindex === index).length;
  },
  'dump routes': async () => (await socket.getRoutes({ family: AF_INET })).length,
});
