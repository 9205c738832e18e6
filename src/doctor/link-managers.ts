/** Managers of links that would give weft's an address of their own, or take their routes away. */
import type { Check } from './checks.ts';

const FILES = {
  'systemd-networkd': {
    from: 'plugins/networkd/10-weft.network',
    to: '/etc/systemd/network/',
    then: 'networkctl reload',
  },
  NetworkManager: {
    from: 'plugins/NetworkManager/90-weft.conf',
    to: '/etc/NetworkManager/conf.d/',
    then: 'nmcli general reload conf',
  },
} as const;

export const checkLinkManagers: Check = ({ facts: { linkManagers } }) =>
  linkManagers
    .filter(({ told }) => !told)
    .map(({ name }) => {
      const { from, to, then } = FILES[name];
      const evidence = `it runs here, and no file of its configuration says that weft's links (wu*, wc*) are not its own`;
      return { code: 'link-manager', object: name, evidence, command: `cp ${from} ${to} && ${then}` };
    });
