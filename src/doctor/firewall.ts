/** iptables-legacy beside nftables: both see every packet, and neither shows the other's rules. */
import type { Check } from './checks.ts';

export const checkFirewall: Check = ({ facts: { legacyTables } }) => {
  if (legacyTables.length === 0) return [];
  const filtering = legacyTables.filter((table) => table.endsWith(' filter'));
  const object = legacyTables.join(', ');
  const forwards = filtering.length > 0 ? '; if its FORWARD drops, containers do not leave this host' : '';
  const evidence = `tables of iptables-legacy stand beside those of nftables, where weft cannot see or mend them${forwards}`;
  const command = 'iptables-legacy -S; move its rules: update-alternatives --set iptables /usr/sbin/iptables-nft';
  return [{ code: 'iptables-legacy', object, evidence, command }];
};
