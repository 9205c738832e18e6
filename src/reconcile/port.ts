/** What the rest of weft may ask of the reconcile loop (design.md section 6). */
import type { Condition } from '../model/status.ts';
import type { KernelPicture } from '../plan/kernel-picture.ts';
import type { PortDrops } from '../plan/kernel-port.ts';

/** `host`: what this host's own namespace holds */
export type Wake =
  | { kind: 'all'; reason: string }
  | { kind: 'host'; reason: string }
  | { kind: 'tenant'; tenant: string; reason: string };

/**
 * Whether the loop may build. `still`: what stands stays as it is, since this host's word on it counts for nothing; `down`: what
 * stands is not live, and carries nothing.
 */
export type Hold = 'none' | 'still' | 'down';

export type ObjectStatus =
  | { state: 'pending' }
  | { state: 'ready'; revision: number }
  | { state: 'failed'; message: string; attempts: number }
  /** this host was fenced: the port is down */
  | { state: 'fenced' };

export interface WaitTarget {
  /** the store's revision that must have been applied */
  revision: number;
  /** the journal's sequence that must have been applied */
  sequence?: number;
  tenant: string;
  /** an endpoint id: the wait fails with that endpoint's own failure */
  endpoint?: string;
}

export interface Reconciler {
  /** Only wakes; the truth is read again. Never throws. */
  wake(wake: Wake): void;
  /** Rejects with `not-ready` at the deadline (milliseconds), or with the failure of the named endpoint. */
  waitUntil(target: WaitTarget, options: { deadline: number; signal?: AbortSignal }): Promise<void>;
  endpointStatus(id: string): ObjectStatus;
  /** Frames of an endpoint of this host that were dropped; none for one that the kernel does not have yet. */
  drops(id: string): Promise<PortDrops>;
  /** What this host's kernel holds beside its plan, changing nothing; undefined while there is no complete plan. */
  look(): Promise<KernelPicture | undefined>;
  applied(): { revision: number; sequence: number };
  repairs(): { total: number; byKind: Record<string, number> };
  conditions(): Condition[];
}
