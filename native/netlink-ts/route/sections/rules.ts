/** Rules of policy routing: see ../rule.ts. */
import * as rtm from '../constants.ts';
import { decodeRule, encodeRule, encodeRuleQuery, encodeRuleReference } from '../rule.ts';
import type { RoutingRule, RoutingRuleReference, RoutingRuleSpec } from '../rule.ts';
import { CREATE, Section } from './section.ts';
import type { Options } from './section.ts';

export class Rules extends Section {
  /** In the order in which the kernel asks them, a family at a time. */
  list(filter: { family?: 4 | 6 } = {}, options?: Options): Promise<RoutingRule[]> {
    const payload = encodeRuleQuery(filter);
    return this.read({ op: 'list rules', type: rtm.RTM_GETRULE, payload, decode: decodeRule }, options);
  }

  /** EEXIST when there is one with the same selectors, priority and action. */
  async add(spec: RoutingRuleSpec, options?: Options): Promise<void> {
    const op = `add rule ${named(spec)}`;
    await this.send({ op, type: rtm.RTM_NEWRULE, flags: CREATE, payload: encodeRule(spec) }, options);
  }

  /** ENOENT when none fits. */
  async delete(reference: RoutingRuleReference, options?: Options): Promise<void> {
    const op = `delete rule ${named(reference)}`;
    await this.send({ op, type: rtm.RTM_DELRULE, payload: encodeRuleReference(reference) }, options);
  }
}

function named({ family, priority, table }: RoutingRuleReference): string {
  const words = [`of IPv${family}`];
  if (priority !== undefined) words.push(`priority ${priority}`);
  if (table !== undefined) words.push(`table ${table}`);
  return words.join(' ');
}
