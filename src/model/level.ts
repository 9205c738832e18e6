/**
 * The level of the cluster's state: a version of what stands in etcd and passes between nodes. Additions that older readers
 * may pass over (fields, kinds of records) need no new one; what they would misread is written from the level on that stands
 * for it, and a cluster reaches a level when all its nodes can read it.
 */

/** The highest that this weft reads and writes. Raised by the version that adds what older ones would misread. */
export const LEVEL = 1;

/** `cluster/level`; absent: 1 */
export interface LevelRecord {
  level: number;
  /** RFC 3339 */
  since: string;
}

/** Of a record of the cluster's level, or of a node's; those of versions before there were levels have none. */
export function levelOf(record: { level?: number } | undefined): number {
  return record?.level ?? 1;
}
