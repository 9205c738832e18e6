/** Network cards that compute the checksums of tunnelled packets wrongly: pings pass, and connections hang. */
import type { Check } from './checks.ts';

/** packets; and of those that came, the share that is no accident on the wire */
const MANY = 100;
const SHARE = 0.01;
/** containers that are named */
const NAMED = 3;

export const checkChecksums: Check = ({ node, state, facts: { checksums, underlay } }) => {
  const bad = checksums.filter(({ came, wrong }) => wrong >= MANY && wrong >= came * SHARE);
  if (bad.length === 0) return [];
  const told = bad.slice(0, NAMED).map(({ endpoint, came, wrong }) => {
    const name = endpoint === undefined ? 'this host' : (state.endpoints.get(endpoint)?.name ?? endpoint);
    return `${wrong} of ${came} to ${name}`;
  });
  const more = bad.length > NAMED ? `, and ${bad.length - NAMED} more` : '';
  const evidence = `packets of TCP and UDP came with wrong checksums and were dropped: ${told.join(', ')}${more}`;
  const object = underlay?.interface ?? node.vtep;
  const off = 'tx off tx-udp_tnl-segmentation off tx-udp_tnl-csum-segmentation off';
  const command = `ethtool -K ${object} ${off}, on this host and on those that send to it`;
  return [{ code: 'checksum-offload', object, evidence, command }];
};
