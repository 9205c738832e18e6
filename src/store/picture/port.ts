/** What the store said last, kept on this host: a daemon that starts while the store is away serves from it. */
import type { Entry } from '../port.ts';

export interface Picture {
  /** id of the node that wrote it */
  node: string;
  /** id of the cluster, from its settings */
  cluster: string;
  /** of the store, that the entries stand at */
  revision: number;
  /** ISO time of writing */
  takenAt: string;
  entries: Entry[];
}

/** A picture that is not there whole and right is none, and says why. */
export type Found = { ok: true; picture: Picture } | { ok: false; reason: string };

export interface PictureKeeper {
  /** Never rejects: without a picture a start waits for the store, as it would have anyway. */
  load(): Promise<Found>;
  /** On disk, whole, when it resolves; rejects when there is no room, and leaves the one before. */
  save(picture: Picture): Promise<void>;
  /** For a node that is none of the cluster's any more. No error when there is none. */
  discard(): Promise<void>;
}
