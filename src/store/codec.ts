/** Between the port's words and etcd's: keys under the prefix, JSON values, compares and operations. */
import type { ICompare, IEvent, IKeyValue, IRequestOp } from 'etcd3';
import type { Log } from './log.ts';
import type { Change, Compare, Entry } from './port.ts';
import type { EncodedOperation } from './transaction.ts';

export interface KeyRange {
  key: Buffer;
  range_end: Buffer;
}

export class Codec {
  readonly #prefix: string;
  readonly #log: Log;

  constructor(prefix: string, log: Log) {
    this.#prefix = prefix;
    this.#log = log;
  }

  key(relative: string): Buffer {
    return Buffer.from(this.#prefix + relative);
  }

  /** All keys that begin with it. The store's own prefix ends in "/", so the last byte is never 0xff. */
  range(relativePrefix: string): KeyRange {
    const key = this.key(relativePrefix);
    const end = Buffer.from(key);
    const last = end.length - 1;
    end[last] = (end[last] ?? 0) + 1;
    return { key, range_end: end };
  }

  compare(compare: Compare): ICompare {
    if ('emptyPrefix' in compare) {
      // over a range a compare must hold for each key in it, and no key has version 0; so it holds for no keys at all
      return { result: 'Equal', target: 'Version', version: 0, ...this.range(compare.emptyPrefix) };
    }
    // an absent key compares as revision 0
    return { result: 'Equal', target: 'Mod', key: this.key(compare.key), mod_revision: compare.revision };
  }

  operation(operation: EncodedOperation): IRequestOp {
    switch (operation.type) {
      case 'put': {
        const put = { key: this.key(operation.key), value: Buffer.from(operation.json) };
        return { request_put: operation.lease === undefined ? put : { ...put, lease: operation.lease } };
      }
      case 'delete':
        return { request_delete_range: { key: this.key(operation.key) } };
      case 'deletePrefix':
        return { request_delete_range: this.range(operation.prefix) };
    }
  }

  /** undefined, and a line in the log, for a value that is not JSON: one bad record must not stop the rest. */
  entry(kv: IKeyValue): Entry | undefined {
    const key = this.#relative(kv.key);
    try {
      const value: unknown = JSON.parse(kv.value.toString());
      return { key, value, revision: Number(kv.mod_revision), created: Number(kv.create_revision) };
    } catch {
      this.#log.warn({ key, revision: kv.mod_revision }, 'a value in the store is not JSON and is passed over');
      return undefined;
    }
  }

  change(event: IEvent): Change | undefined {
    if (event.type === 'Delete') return { type: 'delete', key: this.#relative(event.kv.key) };
    const entry = this.entry(event.kv);
    return entry && { type: 'put', entry };
  }

  #relative(key: Buffer): string {
    return key.toString().slice(this.#prefix.length);
  }
}
