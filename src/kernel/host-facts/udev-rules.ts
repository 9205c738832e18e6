/** The rules of udev that this host's administrator, or a program, added: those of the distribution name links by what they are. */
import type { HostFacts } from '../../model/host-facts.ts';
import { exists, filesIn, textOf } from './files.ts';

const CONTROL = '/run/udev/control';
const FOLDERS = ['/etc/udev/rules.d', '/run/udev/rules.d'];

/** Those about links; none where no udev runs. */
export async function udevRules(
  folders: readonly string[] = FOLDERS,
  control = CONTROL,
): Promise<HostFacts['udevRules']> {
  if (!(await exists(control))) return [];
  const found: HostFacts['udevRules'] = [];
  for (const file of await filesIn(folders, '.rules')) {
    // A backslash at the end of a line goes on with the next.
    const lines = (await textOf(file)).replaceAll(/\\\n/g, '').split('\n');
    for (const line of lines) {
      const rule = line.trim();
      if (!rule.startsWith('#') && /SUBSYSTEM\s*==\s*"net"/.test(rule)) found.push({ file, rule });
    }
  }
  return found;
}
