/** The rules of a transaction that hold for every store, checked before anything is sent. */
import { WeftError } from '../model/errors.ts';
import { MAX_TRANSACTION_OPERATIONS, type Operation, type Transaction } from './port.ts';

/** Well under etcd's 1.5 MiB a request. */
const MAX_TRANSACTION_BYTES = 512 * 1024;

/** A put with its value as JSON text, so that size, validity and aliasing are settled in one place. */
export type EncodedOperation =
  | { type: 'put'; key: string; json: string; lease: string | undefined }
  | { type: 'delete'; key: string }
  | { type: 'deletePrefix'; prefix: string };

/** Throws `internal` for a transaction that etcd would refuse, or that is over the port's limits. */
export function encodeTransaction(transaction: Transaction): EncodedOperation[] {
  const operations = transaction.then.map(encodeOperation);
  const count = transaction.compare.length + operations.length;
  if (count > MAX_TRANSACTION_OPERATIONS) {
    throw new WeftError(
      'internal',
      `a transaction of ${count} compares and operations; ${MAX_TRANSACTION_OPERATIONS} are allowed`,
    );
  }
  const bytes = operations.reduce((sum, each) => sum + (each.type === 'put' ? Buffer.byteLength(each.json) : 0), 0);
  if (bytes > MAX_TRANSACTION_BYTES) {
    throw new WeftError('internal', `a transaction of ${bytes} bytes; ${MAX_TRANSACTION_BYTES} are allowed`);
  }
  refuseOverlap(operations);
  return operations;
}

function encodeOperation(operation: Operation): EncodedOperation {
  if ('put' in operation) {
    const json = JSON.stringify(operation.value) as string | undefined;
    if (json === undefined) throw new WeftError('internal', `the value of ${operation.put} cannot be written as JSON`);
    return { type: 'put', key: operation.put, json, lease: operation.lease?.id };
  }
  if ('delete' in operation) return { type: 'delete', key: operation.delete };
  return { type: 'deletePrefix', prefix: operation.deletePrefix };
}

/** etcd refuses a key that is put twice, or put and deleted, in one transaction ("duplicate key given in txn request"). */
function refuseOverlap(operations: EncodedOperation[]): void {
  const puts = new Set<string>();
  for (const operation of operations) {
    if (operation.type !== 'put') continue;
    if (puts.has(operation.key)) throw overlap(operation.key);
    puts.add(operation.key);
  }
  for (const operation of operations) {
    if (operation.type === 'delete' && puts.has(operation.key)) throw overlap(operation.key);
    if (operation.type !== 'deletePrefix') continue;
    for (const key of puts) if (key.startsWith(operation.prefix)) throw overlap(key);
  }
}

function overlap(key: string): WeftError {
  return new WeftError('internal', `a transaction changes ${key} twice`);
}
