/** iptables-legacy beside nftables: both see every packet, and neither shows the other's rules. */
import type { Check } from './checks.ts';

export const checkFirewall: Check = ({ facts: { legacyTables, legacyDrops } }) => [
  ...(legacyTables.length === 0 ? [] : [beside(legacyTables)]),
  ...legacyDrops.map(dropped),
];

function beside(tables: readonly string[]) {
  const evidence = 'rules of iptables-legacy stand beside those of nftables, where weft can neither see nor mend them';
  const command = 'iptables-legacy -S; move its rules: update-alternatives --set iptables /usr/sbin/iptables-nft';
  return { code: 'iptables-legacy', object: tables.join(', '), evidence, command };
}

function dropped(family: 'ip' | 'ip6') {
  const program = family === 'ip' ? 'iptables-legacy' : 'ip6tables-legacy';
  const evidence = 'it drops by default, and nothing in it lets containers of this host out, or answers back in';
  const command = ['-i', '-o'].map((way) => `${program} -I FORWARD ${way} wu+ -j ACCEPT`).join(' && ');
  return { code: 'legacy-forward-drops', object: `${family} filter FORWARD`, evidence, command };
}
