import type { NftSocket, Table, TableName } from 'netlink-ts';
import { addressHex } from 'netlink-ts';
import { expect, it } from 'vitest';
import { refusedSet } from '../../../src/kernel/ceilings.ts';
import { readDrops } from '../../../src/kernel/port-guard/drops.ts';
import { PORT_GUARD_TABLE, portGuardTable } from '../../../src/kernel/port-guard/table.ts';
import { linkNames } from '../../../src/model/names.ts';
import { planPortGuard } from '../../../src/plan/port-guard/plan.ts';
import { StateBuilder } from '../../support/cluster-state.ts';

const SHARED = '10.10.0.100';
const attachment = { mode: 'sandbox', path: '/nowhere', ifname: 'eth0' } as const;
const states = new StateBuilder().node('A', '192.0.2.1').tenant('acme').network('acme', 'web', { vni: 0x100001 });
for (const [i, id] of ['one', 'two', 'three'].entries())
  states.endpoint('acme-web', id, { node: 'A', addresses: [`10.10.0.${i + 2}/16`], attachment });

/** A tenant's namespace in which the ceilings refused connections of the shared address. */
function socket(holder: string | null): NftSocket {
  states.share('acme-web', SHARED, ['one', 'two', 'three'], holder);
  const guard = portGuardTable(planPortGuard(states.build(), { tenant: 'acme', node: 'A' }));
  const expressions = [{ kind: 'counter' as const, packets: 7n, bytes: 0n }];
  const elements = [{ key: addressHex(SHARED), expressions }];
  const set = { name: refusedSet(4), key: [], flags: [], elements };
  const routed: Table = { family: 'inet', name: 'weft', sets: [set], chains: [] };
  const readTable = ({ family }: TableName) => Promise.resolve(family === PORT_GUARD_TABLE.family ? guard : routed);
  return { readTable } as Partial<NftSocket> as NftSocket;
}

it('connections that were refused to a shared address are those of its holder', async () => {
  for (const holder of ['one', 'two', 'three'])
    expect(await readDrops(socket(holder))).toEqual(new Map([[linkNames.port(holder), { connections: 7 }]]));
  expect(await readDrops(socket(null))).toEqual(new Map());
});
