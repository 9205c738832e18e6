import { Metadata, status } from '@grpc/grpc-js';
import type { IRangeResponse } from 'etcd3';
import { describe, expect, it } from 'vitest';
import { Codec } from '../../../src/store/codec.ts';
import type { Call, Connection } from '../../../src/store/connection.ts';
import { storeError } from '../../../src/store/failure.ts';
import { Lineage } from '../../../src/store/lineage.ts';
import { silentLog } from '../../../src/store/log.ts';
import type { CallOptions } from '../../../src/store/port.ts';
import { readSnapshot } from '../../../src/store/snapshot.ts';

const codec = new Codec('/t/', silentLog);

interface Page {
  revision: number;
  keys: string[];
  more: boolean;
  cluster?: string;
}

function pageOf({ revision, keys, more, cluster = 'c' }: Page): IRangeResponse {
  const kvs = keys.map((key) => ({
    key: Buffer.from(`/t/${key}`),
    value: Buffer.from('1'),
    mod_revision: '1',
    create_revision: '1',
  }));
  const header = { cluster_id: cluster, revision: String(revision), member_id: 'm', raft_term: '1' };
  return { header, kvs, more, count: String(kvs.length) } as unknown as IRangeResponse;
}

function refusal(code: number): Error {
  return Object.assign(new Error('refused'), { code, details: 'refused', metadata: new Metadata() });
}

/** Answers one page after the other, as a connection does. */
function scripted(script: (Page | number)[]): { connection: Connection; asked: object[]; deadlines: number[] } {
  const lineage = new Lineage(undefined, silentLog);
  const [asked, deadlines]: [object[], number[]] = [[], []];
  const call = (one: Call, options: CallOptions): Promise<IRangeResponse> => {
    asked.push(one.request);
    deadlines.push(options.deadline ?? 0);
    const next = script.shift();
    if (next === undefined) throw new Error('asked too often');
    if (typeof next === 'number') {
      return Promise.reject(storeError(refusal(next), { ...one, endpoint: 'e', deadline: 1 }));
    }
    const page = pageOf(next);
    lineage.answered(lineage.question(), page.header);
    return Promise.resolve(page);
  };
  return { connection: { call, lineage } as unknown as Connection, asked, deadlines };
}

const keysOf = async (connection: Connection) => {
  const { entries, position } = await readSnapshot(connection, codec, '');
  return { keys: entries.map(({ key }) => key).join(), revision: position.revision };
};

describe('a snapshot in pages', () => {
  it('is of one revision', async () => {
    const { connection, asked } = scripted([
      { revision: 7, keys: ['a', 'b'], more: true },
      { revision: 9, keys: ['c'], more: false },
    ]);
    expect(await keysOf(connection)).toEqual({ keys: 'a,b,c', revision: 7 });
    expect(asked[1]).toMatchObject({ revision: 7, key: Buffer.from('/t/b\0') });
  });

  it.each<[string, Page | number]>([
    ['its revision was compacted', status.OUT_OF_RANGE],
    ['etcd was restored', { revision: 5, keys: ['x'], more: false }],
    ['it is another cluster now', { revision: 8, keys: ['x'], more: false, cluster: 'd' }],
  ])('begins anew when %s under way', async (_, second) => {
    const { connection } = scripted([
      { revision: 7, keys: ['a'], more: true },
      second,
      {
        revision: 8,
        keys: ['a', 'b'],
        more: false,
        cluster: typeof second === 'number' ? 'c' : (second.cluster ?? 'c'),
      },
    ]);
    expect(await keysOf(connection)).toEqual({ keys: 'a,b', revision: 8 });
  });

  it('fails with what else goes wrong', async () => {
    const { connection } = scripted([{ revision: 7, keys: ['a'], more: true }, status.UNAVAILABLE]);
    await expect(keysOf(connection)).rejects.toMatchObject({ code: 'store-away' });
  });

  it('has one deadline for all pages, unless nobody waits', async () => {
    const pages = (): Page[] => [
      { revision: 7, keys: ['a'], more: true },
      { revision: 7, keys: ['b'], more: false },
    ];
    const hurried = scripted(pages());
    await readSnapshot(hurried.connection, codec, '', { deadline: 1_000 });
    expect(hurried.deadlines[1]).toBeLessThan(1_000);
    const patient = scripted(pages());
    await readSnapshot(patient.connection, codec, '', { deadline: 1_000, patient: true });
    expect(patient.deadlines).toEqual([1_000, 1_000]);
  });
});
