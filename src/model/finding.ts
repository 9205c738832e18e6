/** What an examination of the cluster found to be wrong: an object, what shows it, and the command that mends it. */

export interface Finding {
  /** stable, so that scripts match on it */
  code: string;
  /** name of the node that it is about; '' for the cluster as a whole */
  node: string;
  object: string;
  evidence: string;
  command: string;
}

/** Two looks found the same, whatever the evidence says in numbers. */
export function keyOfFinding({ code, node, object }: Finding): string {
  return JSON.stringify([code, node, object]);
}

/** Those of a second look that the first had too: what was under way in the first is done by then. */
export function lasting(first: readonly Finding[], second: readonly Finding[]): Finding[] {
  const before = new Set(first.map(keyOfFinding));
  return second.filter((finding) => before.has(keyOfFinding(finding)));
}

/** By node, then code, then object; each once. */
export function inOrderOfNodes(findings: readonly Finding[]): Finding[] {
  const once = new Map(findings.map((finding) => [keyOfFinding(finding), finding]));
  return [...once.values()].sort(byNode);
}

function byNode(a: Finding, b: Finding): number {
  return compare(a.node, b.node) || compare(a.code, b.code) || compare(a.object, b.object);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
