/**
 * Records of other nodes that the store does not show yet, as their owners told them. Each is held until the owner's fence in
 * the picture has reached its sequence: from then on the store's word is as new.
 */
import type { Entry } from '../store/port.ts';
import type { Hint } from './ownership/ports.ts';

/** Up to where a node's records in the picture are its last word, and which boot of it wrote them. */
export interface KnownFence {
  sequence: number;
  bootId: string;
}

interface Hinted {
  node: string;
  /** of the fence that the picture had: another boot may run from another disk, and never write what this one told */
  bootId: string;
  sequence: number;
  /** undefined: deleted */
  value: unknown;
  /** what the store says meanwhile */
  stored: Entry | undefined;
}

export class Hints {
  readonly #hinted = new Map<string, Hinted>();

  /** The keys whose hinted value is new. */
  take(hint: Hint, stored: (key: string) => Entry | undefined, { sequence: known, bootId }: KnownFence): string[] {
    const { node, sequence } = hint;
    if (sequence <= known) return [];
    const changed: string[] = [];
    const note = (key: string, value: unknown) => {
      const before = this.#hinted.get(key);
      if (before && before.sequence >= sequence) return;
      this.#hinted.set(key, { node, bootId, sequence, value, stored: before ? before.stored : stored(key) });
      changed.push(key);
    };
    for (const { key, value } of hint.put) note(key, value);
    for (const key of hint.delete) note(key, undefined);
    return changed;
  }

  keys(): Iterable<string> {
    return this.#hinted.keys();
  }

  value(key: string): unknown {
    return this.#hinted.get(key)?.value;
  }

  /** What the store says of a hinted key. */
  under(key: string): Entry | undefined {
    return this.#hinted.get(key)?.stored;
  }

  /** True when a hint stands over the key: the picture does not change. */
  stored(key: string, entry: Entry | undefined): boolean {
    const hinted = this.#hinted.get(key);
    if (!hinted) return false;
    hinted.stored = entry;
    return true;
  }

  /** A snapshot follows: nothing is known of the store. */
  beginAnew(): void {
    for (const hinted of this.#hinted.values()) hinted.stored = undefined;
  }

  /** Those the store has caught up with, which are forgotten, and those a snapshot has to be laid under. */
  confirmed(fenceOf: (node: string) => KnownFence): { key: string; entry: Entry | undefined }[] {
    const found: { key: string; entry: Entry | undefined }[] = [];
    for (const [key, hinted] of this.#hinted) {
      const { sequence, bootId } = fenceOf(hinted.node);
      if (sequence >= hinted.sequence || bootId !== hinted.bootId) {
        this.#hinted.delete(key);
        found.push({ key, entry: hinted.stored });
      } else if (hinted.value !== undefined) {
        const stored = hinted.stored ?? { revision: 0, created: 0 };
        found.push({ key, entry: { ...stored, key, value: hinted.value } });
      }
    }
    return found;
  }
}
