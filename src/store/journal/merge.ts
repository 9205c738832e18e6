/**
 * Neighbouring entries as one, so that what waits while etcd is away for long grows with the keys that were touched, not with
 * the time. The merged entry has the sequence of its last and leaves the records as that one left them: a reader who applies
 * it sees no state that never was, only fewer of them.
 */
import type { JournalEntry, JournalOperation } from './port.ts';

/** Greedily, from the first on; no merged entry has more than `most` operations, larger ones stay as they are. */
export function mergeEntries(entries: readonly JournalEntry[], most: number): JournalEntry[] {
  const merged: JournalEntry[] = [];
  let run = new Map<string, JournalOperation>();
  let sequence = 0;
  const finish = () => {
    if (run.size > 0) merged.push({ sequence, operations: [...run.values()] });
    run = new Map();
  };
  for (const entry of entries) {
    const added = new Set(entry.operations.map(keyOf).filter((key) => !run.has(key)));
    if (run.size + added.size > most) finish();
    for (const operation of entry.operations) run.set(keyOf(operation), operation);
    sequence = entry.sequence;
  }
  finish();
  return merged;
}

const keyOf = (operation: JournalOperation) => ('put' in operation ? operation.put : operation.delete);
