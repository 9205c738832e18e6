import { ERRORS } from '../model/errors.ts';
import { keys } from '../model/keys.ts';
import type { ForgottenNode } from '../model/objects.ts';
import type { Condition } from '../model/status.ts';
import type { ControlDeps } from './context.ts';

/** A certificate of a year is renewed when four months are left: at half of that, something is in the way. */
const LATE = 60 * 24 * 3_600_000;

/** What an operator should know about this node's place in the cluster. */
export function trustConditions(deps: ControlDeps): Condition[] {
  const found: Condition[] = [];
  const { name, id } = deps.node;
  const forgotten = deps.view.value<ForgottenNode>(keys.forgotten(id));
  if (forgotten) {
    const message = `this node was forgotten by the cluster: no other node answers it; next: ${ERRORS['node-forgotten'].next}`;
    found.push({ type: 'node-forgotten', object: name, message, since: forgotten.at });
  }
  const { notAfter } = deps.trust;
  const late = notAfter.getTime() - LATE;
  if (deps.now().getTime() < late) return found;
  const until = notAfter.toISOString();
  const message = `the certificates of this node end at ${until} and could not be renewed; try: weft node rotate`;
  return [...found, { type: 'certificate-late', object: name, message, since: new Date(late).toISOString() }];
}
