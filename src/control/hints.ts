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
  /** what the store says of who is heard from, and since which revision; undefined: nobody */
  life: { bootId: string; revision: number } | undefined;
}

interface Hinted {
  node: string;
  /** of the fence that the picture had: another boot may run from another disk, and never write what this one told */
  bootId: string;
  /** of whoever told it; '' where it did not say */
  toldBy: string;
  /** of the record of who was heard from then; 0 for none */
  life: number;
  sequence: number;
  /** undefined: deleted */
  value: unknown;
  /** what the store says meanwhile */
  stored: Entry | undefined;
}

export class Hints {
  readonly #hinted = new Map<string, Hinted>();

  /** The keys whose hinted value is new. `connected`: what is known of who is heard from is so now. */
  take(
    hint: Hint,
    stored: (key: string) => Entry | undefined,
    { sequence: known, bootId, life }: KnownFence,
    connected: boolean,
  ): string[] {
    const { node, sequence, bootId: toldBy } = hint;
    if (sequence <= known || (connected && isAnother(life, toldBy))) return [];
    const changed: string[] = [];
    const note = (key: string, value: unknown) => {
      const before = this.#hinted.get(key);
      if (before && before.sequence >= sequence) return;
      this.#hinted.set(key, {
        ...{ node, bootId, toldBy, sequence, value },
        life: life?.revision ?? 0,
        stored: before ? before.stored : stored(key),
      });
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
      const { sequence, bootId, life } = fenceOf(hinted.node);
      const ofCopy = isAnother(life, hinted.toldBy) && (life?.revision ?? 0) > hinted.life;
      if (sequence >= hinted.sequence || bootId !== hinted.bootId || ofCopy) {
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

/**
 * Who told it is not who the store hears from: a copy of the host's disk, which writes nothing to the store, so that nothing would
 * ever confirm it. A host that was switched off while the store was away is another too, until its former boot's lease has ended.
 */
function isAnother(life: KnownFence['life'], toldBy: string): boolean {
  return life !== undefined && toldBy !== '' && toldBy !== life.bootId;
}
