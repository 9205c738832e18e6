/** On a host of the lab: `node crowd.mjs attach|detach COUNT`, of as many containers without an engine; prints their addresses. */
import { connect } from '../../dist/api/client.js';

const [act, count] = process.argv.slice(2);
const client = connect({ deadline: 120_000 });
const names = Array.from({ length: Number(count) }, (_, i) => `crowd${i}`);

/** Of a life before there may be one. */
async function detach(name) {
  await client.call('DetachEndpoint', { ref: `acme/web/${name}` }).catch((error) => {
    if (act === 'detach') throw error;
  });
}

async function attach(name) {
  await detach(name);
  const netns = `/run/netns/${name}`;
  const wish = { network: 'acme/web', netns, addresses: [], name, labels: {} };
  const { addresses } = await client.call('AttachEndpoint', wish);
  return addresses[0].split('/')[0];
}

const addresses = await Promise.all(names.map(act === 'attach' ? attach : detach));
if (act === 'attach') console.log(JSON.stringify(addresses));
client.close();
