/** Parts of the kernel that weft's links and rules are made of. They load by themselves; what matters is that they could. */
import { exists, textOf } from './files.ts';

const NEEDED = ['bridge', 'veth', 'vxlan', 'nf_tables', 'nf_conntrack', 'br_netfilter'];

/** Nothing where the kernel's modules are not to be seen, as in a container. */
export async function lackingModules(release: string): Promise<string[]> {
  const folder = `/lib/modules/${release}`;
  const known = (await textOf(`${folder}/modules.builtin`)) + (await textOf(`${folder}/modules.dep`));
  if (known === '') return [];
  const lacking: string[] = [];
  for (const name of NEEDED) {
    const file = new RegExp(`/${name.replaceAll('_', '[_-]')}\\.ko`);
    if (!(await exists(`/sys/module/${name}`)) && !file.test(known)) lacking.push(name);
  }
  return lacking;
}
