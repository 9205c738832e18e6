/** On a host of the lab: `node cycles.mjs COUNT WIDTH`, of acme/web: attach, detach, so many in all and so many at once. */
import { connect } from '../../../dist/api/client.js';

const [count, width] = process.argv.slice(2).map(Number);
const client = connect({ deadline: 60_000 });
let left = count;

async function comeAndGo() {
  while (left-- > 0) {
    const wish = { network: 'acme/web', netns: '/run/netns/soak', addresses: [], name: '', labels: {} };
    const { id } = await client.call('AttachEndpoint', wish);
    await client.call('DetachEndpoint', { ref: id });
  }
}

await Promise.all(Array.from({ length: width }, comeAndGo));
client.close();
