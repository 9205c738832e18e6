/** On a lab host: attaches to one network, all at once, over one connection; prints the addresses and the codes of refusals. */
import { connect } from '../../dist/api/client.js';

const [network = '', netns = '', count = '1'] = process.argv.slice(2);
const client = connect({ deadline: 120_000 });
const asked = Array.from({ length: Number(count) }, () =>
  client.call('AttachEndpoint', { network, netns, addresses: [], name: '', labels: {} }),
);
const settled = await Promise.allSettled(asked);
client.close();
console.log(
  JSON.stringify({
    addresses: settled.flatMap((one) => (one.status === 'fulfilled' ? one.value.addresses : [])),
    refusals: settled.flatMap((one) =>
      one.status === 'rejected' ? [{ ...one.reason, message: one.reason.message }] : [],
    ),
  }),
);
