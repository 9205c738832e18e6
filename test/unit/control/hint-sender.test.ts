/** What a node tells its peers of its endpoints beside the store: to whom, when, and once more to whoever did not take it. */
import { pino } from 'pino';
import { beforeEach, expect, it } from 'vitest';
import type { ClusterView } from '../../../src/control/cluster-view.ts';
import { HintSender } from '../../../src/control/ownership/hint-sender.ts';
import { OwnRecords } from '../../../src/control/ownership/own-records.ts';
import type { Hint, PeerPort } from '../../../src/control/ownership/ports.ts';
import { keys } from '../../../src/model/keys.ts';
import type { JournalOperation } from '../../../src/store/journal/port.ts';
import { StateBuilder } from '../../support/cluster-state.ts';
import { MemoryJournal } from '../../support/memory-journal.ts';
import { until } from '../../support/until.ts';

/** Entries are on its disk when it is told so. */
class SlowJournal extends MemoryJournal {
  slow = false;
  onDisk = 0;
  readonly #waiting: (() => void)[] = [];

  override append(operations: JournalOperation[]): { sequence: number; durable: Promise<void> } {
    const { sequence } = super.append(operations);
    const written = () => (this.onDisk = sequence);
    if (!this.slow) return { sequence, durable: Promise.resolve(void written()) };
    const durable = new Promise<void>((resolve) => this.#waiting.push(() => resolve(void written())));
    return { sequence, durable };
  }

  write(): void {
    this.#waiting.shift()?.();
  }
}

const state = new StateBuilder()
  .tenant('acme')
  .node('self', '192.0.2.1')
  .node('one', '192.0.2.2')
  .node('two', '192.0.2.3')
  .network('acme', 'web', { vni: 7 })
  .network('acme', 'db', { vni: 8 })
  .endpoint('acme-web', 'of-one', held('one', '10.10.0.3/16'))
  .endpoint('acme-web', 'of-two', held('two', '10.10.0.4/16'))
  .endpoint('acme-db', 'also-of-two', held('two', '10.10.0.5/16'))
  .build();

function held(node: string, address: string) {
  return { node, addresses: [address], attachment: { mode: 'engine', sandbox: null } as const };
}

let journal: SlowJournal;
let own: OwnRecords;
let sender: HintSender;
let heard: { peer: string; sequence: number; onDisk: number; keys: string[] }[];
/** of a peer's next messages */
let fates: Map<string, Promise<void>[]>;

beforeEach(() => {
  journal = new SlowJournal({ node: 'self', machineId: 'm', bootId: 'b', epoch: 1 });
  own = new OwnRecords(journal);
  heard = [];
  fates = new Map();
  const hint = async (peer: string, { sequence, put, delete: gone }: Hint) => {
    heard.push({ peer, sequence, onDisk: journal.onDisk, keys: [...put.map(({ key }) => key), ...gone] });
    await fates.get(peer)?.shift();
  };
  const view = { current: () => ({ state, complete: true }) };
  sender = new HintSender({
    node: { id: 'self', bootId: 'b' },
    ...{ own, view: view as unknown as ClusterView, peers: { hint } as unknown as PeerPort },
    log: pino({ level: 'silent' }),
  });
  own.onAppend((changed) => sender.announce(changed));
});

const web = (id: string) => keys.endpoint('acme-web', id);
const attach = (key: string) => own.append([{ put: key, value: { key } }]);
const toldTo = (peer: string) => heard.filter((one) => one.peer === peer).map((one) => one.keys);

it('goes to the peers that hold the network, and to no others', async () => {
  attach(keys.endpoint('acme-db', 'a'));
  attach(web('b'));
  await sender.settled();
  expect(toldTo('one').flat()).toEqual([web('b')]);
  expect(toldTo('two').flat().sort()).toEqual([keys.endpoint('acme-db', 'a'), web('b')]);
});

it('is told again to a peer that did not take it, until it does, with what became of it', async () => {
  fates.set('one', [Promise.reject(new Error('away')), Promise.reject(new Error('away'))]);
  attach(web('a'));
  attach(web('b'));
  await sender.settled();
  own.append([{ delete: web('a') }]);
  await sender.settled();
  expect(toldTo('one')).toHaveLength(2);
  const before = toldTo('two').length;
  sender.repeat();
  await sender.settled();
  expect(heard.at(-1)).toMatchObject({ peer: 'one', sequence: 3 });
  expect(toldTo('one').at(-1)?.sort()).toEqual([web('a'), web('b')]);
  sender.repeat();
  await sender.settled();
  expect(toldTo('one')).toHaveLength(3);
  expect(toldTo('two')).toHaveLength(before);
});

it('is not told again when the store has it meanwhile', async () => {
  fates.set('one', [Promise.reject(new Error('away'))]);
  attach(web('a'));
  await sender.settled();
  own.publishedUpTo(1, 5);
  sender.repeat();
  await sender.settled();
  expect(toldTo('one')).toHaveLength(1);
});

it('waits for no other peer', async () => {
  let answer = () => {};
  fates.set('one', [new Promise<void>((resolve) => (answer = resolve))]);
  attach(web('a'));
  await until(() => toldTo('two').length === 1, { what: 'the first to be told' });
  attach(web('b'));
  await until(() => toldTo('two').flat().includes(web('b')), { what: 'the second to be told' });
  expect(toldTo('one')).toEqual([[web('a')]]);
  answer();
  await sender.settled();
  expect(toldTo('one')).toEqual([[web('a')], [web('b')]]);
});

it('is missed by nobody, in whichever moment of another it comes', async () => {
  for (let moment = 0; moment < 16; moment++) {
    attach(web(`first-${moment}`));
    for (let i = 0; i < moment; i++) await Promise.resolve();
    attach(web(`second-${moment}`));
    await sender.settled();
    expect(toldTo('one').flat()).toContain(web(`second-${moment}`));
  }
});

it('is told of nothing that a crash would undo', async () => {
  journal.slow = true;
  attach(web('a'));
  await Promise.resolve();
  attach(web('b'));
  expect(heard).toEqual([]);
  journal.write();
  await until(() => toldTo('one').length === 1, { what: 'the first to be told' });
  expect(toldTo('one')).toEqual([[web('a')]]);
  journal.write();
  await sender.settled();
  expect(toldTo('one')).toEqual([[web('a')], [web('b')]]);
  for (const { sequence, onDisk } of heard) expect(sequence).toBeLessThanOrEqual(onDisk);
});
