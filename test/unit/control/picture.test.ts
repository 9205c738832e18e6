import { expect, test } from 'vitest';
import { Picture } from '../../../src/control/picture.ts';
import { keys } from '../../../src/model/keys.ts';
import type { ClusterState } from '../../../src/model/cluster.ts';

const at = (picture: Picture): ClusterState => picture.state({ revision: 1, sequence: 0, unpublished: new Set() });

test('a picture that was given out does not change, and shares with the next what did not', () => {
  const picture = new Picture();
  picture.set({ key: keys.tenant('t'), value: { id: 't' }, revision: 2, created: 2 });
  picture.set({ key: keys.endpoint('n', 'e'), value: { id: 'e' }, revision: 3, created: 3 });
  picture.set({ key: keys.live('h'), value: { node: 'h' }, revision: 4, created: 4 });
  const before = at(picture);

  picture.set({ key: keys.endpoint('n', 'e'), value: { id: 'e', mtu: 1400 }, revision: 5, created: 3 });
  picture.set({ key: keys.endpoint('n', 'f'), value: { id: 'f' }, revision: 6, created: 6 });
  picture.delete(keys.live('h'));
  const after = at(picture);

  expect([...before.endpoints.keys()]).toEqual(['e']);
  expect(before.live.has('h')).toBe(true);
  expect(after.endpoints.get('e')).toEqual({ id: 'e', mtu: 1400 });
  expect([...after.revisions]).toEqual([
    ['t', 2],
    ['e', 5],
    ['f', 6],
  ]);
  expect(after.live.size).toBe(0);
  expect(after.tenants).toBe(before.tenants);
});

test('what is cleared is gone from the next picture, unless it came again', () => {
  const picture = new Picture();
  picture.set({ key: keys.network('n'), value: { id: 'n' }, revision: 2, created: 2 });
  picture.set({ key: keys.network('m'), value: { id: 'm' }, revision: 2, created: 2 });
  expect(at(picture).networks.size).toBe(2);
  picture.clear();
  picture.set({ key: keys.network('m'), value: { id: 'm', mtu: 9000 }, revision: 9, created: 9 });
  expect([...at(picture).networks]).toEqual([['m', { id: 'm', mtu: 9000 }]]);
});
