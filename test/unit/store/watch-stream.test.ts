import { EventEmitter } from 'node:events';
import type { IWatchResponse } from 'etcd3';
import { describe, expect, it } from 'vitest';
import { Codec } from '../../../src/store/codec.ts';
import { Lineage } from '../../../src/store/lineage.ts';
import { silentLog } from '../../../src/store/log.ts';
import { MAX_BUFFERED_CHANGES, WatchStream } from '../../../src/store/watch-stream.ts';

const codec = new Codec('/t/', silentLog);

class FakeCall extends EventEmitter {
  cancelled = false;

  write(): void {
    // the create request
  }

  cancel(): void {
    this.cancelled = true;
  }

  /** Changes of keys to values, all of one revision. */
  tell(revision: number, changes: Record<string, string>, rest: Partial<IWatchResponse> = {}): void {
    const events = Object.entries(changes).map(([key, value]) => ({
      type: 'Put',
      kv: {
        key: Buffer.from(`/t/${key}`),
        value: Buffer.from(value),
        mod_revision: String(revision),
        create_revision: String(revision),
      },
    }));
    const header = { cluster_id: 'c', revision: String(revision), member_id: 'm', raft_term: '1' };
    this.emit('data', { header, events, created: false, canceled: false, compact_revision: '0', ...rest });
  }
}

/** From revision 10, in a history that was seen up to `seen`. */
function open(seen = 10): { call: FakeCall; stream: WatchStream } {
  const lineage = new Lineage(undefined, silentLog);
  lineage.answered(lineage.question(), { cluster_id: 'c', revision: String(seen) });
  const call = new FakeCall();
  const from = { revision: 10, clusterId: 'c', question: lineage.question() };
  const stream = new WatchStream(call as never, codec.range(''), from, { codec, lineage });
  return { call, stream };
}

describe('a watch stream', () => {
  it('gives fragments as the one transaction they are', async () => {
    const { call, stream } = open();
    call.tell(10, {}, { created: true });
    call.tell(11, { a: '1' }, { fragment: true });
    call.tell(11, { b: '1' });
    expect(await stream.take()).toMatchObject({ revision: 11, changes: [{ type: 'put' }, { type: 'put' }] });
  });

  it('passes over what was told before', async () => {
    const { call, stream } = open();
    call.tell(10, { a: '1' });
    call.tell(12, { b: '1' });
    expect(await stream.take()).toMatchObject({ revision: 12, changes: [{ entry: { key: 'b' } }] });
  });

  it.each<[string, (call: FakeCall) => void]>([
    ['compacted', (call) => call.tell(20, {}, { canceled: true, compact_revision: '15' })],
    [
      'another cluster',
      (call) =>
        call.tell(
          20,
          {},
          { created: true, header: { cluster_id: 'd', revision: '20', member_id: 'm', raft_term: '1' } },
        ),
    ],
    [
      'too many changes',
      (call) => {
        for (let n = 0; n <= MAX_BUFFERED_CHANGES; n++) call.tell(11 + n, { a: '1' });
      },
    ],
    [
      'too many bytes',
      (call) => {
        for (let n = 0; n < 70; n++) call.tell(11 + n, { a: JSON.stringify('x'.repeat(500_000)) });
      },
    ],
    [
      'a transaction larger than all that is kept',
      (call) => {
        for (let n = 0; n < 70; n++) call.tell(11, { a: JSON.stringify('x'.repeat(500_000)) }, { fragment: true });
      },
    ],
  ])('is lost, with all it had kept: %s', async (_, happen) => {
    const { call, stream } = open();
    happen(call);
    expect(await stream.take()).toMatchObject({ kind: 'lost' });
    expect(call.cancelled).toBe(true);
    call.tell(30_000, { z: '1' });
    expect(await stream.take()).toMatchObject({ kind: 'lost' });
  });

  it('is only broken, and keeps what came, when etcd cancels or hangs up', async () => {
    for (const happen of [
      (call: FakeCall) => call.tell(12, {}, { canceled: true, cancel_reason: 'because' }),
      (call: FakeCall) => call.emit('error', new Error('gone')),
      (call: FakeCall) => call.emit('end'),
    ]) {
      const { call, stream } = open();
      call.tell(11, { a: '1' });
      happen(call);
      expect(await stream.take()).toMatchObject({ revision: 11 });
      expect(await stream.take()).toMatchObject({ kind: 'broken' });
    }
  });

  it('tells nothing of a member that has not come as far as is known', async () => {
    const { call, stream } = open(50);
    call.tell(40, {}, { created: true });
    call.tell(41, { a: '1' });
    expect(await stream.take()).toMatchObject({ kind: 'behind' });
  });

  it('goes on for a reader that keeps up, however much comes', async () => {
    const { call, stream } = open();
    for (let n = 0; n < 100; n++) {
      call.tell(11 + n, { a: JSON.stringify('x'.repeat(500_000)) });
      expect(await stream.take()).toMatchObject({ revision: 11 + n });
    }
  });
});
