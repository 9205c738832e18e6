/** What a daemon says of itself in `weft status`, as findings; the rest of an examination is what it does not look at. Pure. */
import type { Finding } from '../model/finding.ts';
import type { Condition } from '../model/status.ts';

/** Said so that an operator knows, not because something is wrong. */
const HARMLESS = new Set(['foreign-rules', 'upgrade-under-way']);

const COMMANDS: Record<string, string> = {
  'store-restored': 'weft store resume',
  'certificate-late': 'weft node rotate',
  'node-forgotten': 'weft node join HOST --token TOKEN, with an empty pki directory',
  'journal-full': 'make room on the file system of /var/lib/weft',
  'space-waits': 'weft node ls',
};

/** A message that ends with "; next: COMMAND" knows better than the table. */
export function conditionFindings(node: string, conditions: readonly Condition[]): Finding[] {
  return conditions
    .filter(({ type }) => !HARMLESS.has(type))
    .map(({ type, object, message, since }) => {
      const [evidence = '', next] = message.split(/; next: /);
      const command = next ?? COMMANDS[type] ?? 'weft status';
      return { code: type, node, object, evidence: `${evidence} (since ${since})`, command };
    });
}
