import type { IKeyValue, IRangeResponse } from 'etcd3';
import type { Codec } from './codec.ts';
import type { Connection } from './connection.ts';
import type { CallOptions, Entry } from './port.ts';
import type { Position } from './watch-stream.ts';

/** keys a page: some megabytes at most, well within a message */
const PAGE = 2_000;

export interface Snapshot {
  entries: Entry[];
  position: Position;
}

/** All entries under a prefix as of one revision, read in pages. Each page has the deadline for itself. */
export async function readSnapshot(
  connection: Connection,
  codec: Codec,
  prefix: string,
  options: CallOptions = {},
): Promise<Snapshot> {
  const range = codec.range(prefix);
  const kvs: IKeyValue[] = [];
  let position: Position | undefined;
  for (let from = range.key, more = true; more;) {
    const request = { ...range, key: from, limit: PAGE, ...(position && { revision: position.revision }) };
    const what = `list ${prefix || 'all records'}`;
    const page = await connection.call<IRangeResponse>(
      { service: 'KV', method: 'range', request, what, writes: false },
      options,
    );
    position ??= { revision: Number(page.header.revision), clusterId: page.header.cluster_id };
    kvs.push(...page.kvs);
    const last = page.kvs.at(-1);
    more = page.more && last !== undefined;
    if (last) from = Buffer.concat([last.key, Buffer.from([0])]);
  }
  return { entries: kvs.flatMap((kv) => codec.entry(kv) ?? []), position: position ?? { revision: 0, clusterId: '' } };
}
