/** Programs that give every link of the host an address, a route or a name, unless they are told not to. */
import type { HostFacts } from '../../model/host-facts.ts';
import { exists, filesIn, textOf } from './files.ts';

const MANAGERS = [
  {
    name: 'systemd-networkd',
    running: '/run/systemd/netif',
    folders: ['/etc', '/usr/lib', '/lib', '/run'].map((root) => `${root}/systemd/network`),
    ending: '.network',
  },
  {
    name: 'NetworkManager',
    running: '/run/NetworkManager',
    folders: ['/etc', '/usr/lib', '/run'].map((root) => `${root}/NetworkManager/conf.d`),
    ending: '.conf',
  },
] as const;

/** Those that run. `told`: a file of theirs names weft's links, as those in plugins/ do. */
export async function linkManagers(): Promise<HostFacts['linkManagers']> {
  const found: HostFacts['linkManagers'] = [];
  for (const { name, running, folders, ending } of MANAGERS) {
    if (!(await exists(running))) continue;
    found.push({ name, told: await namesOurLinks(folders, ending) });
  }
  return found;
}

async function namesOurLinks(folders: readonly string[], ending: string): Promise<boolean> {
  for (const file of await filesIn(folders, ending)) if ((await textOf(file)).includes('wu*')) return true;
  return false;
}
