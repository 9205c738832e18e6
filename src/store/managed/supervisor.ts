/**
 * Who keeps etcd running. Two stand behind this: systemd with a unit of its own (unit.ts), and weftd itself with a process
 * in a session of its own (detached.ts). Both are held to one contract suite (test/contract/managed-etcd.ts).
 */
import type { ProcessMark } from './process.ts';

export interface Supervisor {
  readonly kind: 'unit' | 'detached';
  /** true: it starts an etcd that died by itself; false: whoever watches it has to */
  readonly restarts: boolean;
  /** whose etcd's files must be; undefined: as they are written */
  readonly owner: Owner | undefined;
  /** The etcd that runs, whoever started it. */
  find(): Promise<ProcessMark | undefined>;
  /** Resolves when it was started, or is about to be; undefined: `find` tells it later. */
  start(): Promise<ProcessMark | undefined>;
  /** Resolves when it has ended; without one it does nothing. */
  stop(): Promise<void>;
  /** why it is not running, from its log or its unit; '' when nothing is known */
  lastWords(): Promise<string>;
  /** for people: where its log is */
  readonly log: string;
}

export interface Owner {
  uid: number;
  gid: number;
}
