import { afterEach, beforeEach, expect, test } from 'vitest';
import { openNamespace, RouteSocket } from 'netlink-ts';
import type { Namespace } from 'netlink-ts';
import { REMOVED_GROUP } from '../../src/kernel/link-group.ts';
import { removeLinks } from '../../src/kernel/remove-links.ts';
import { inside, TestUnderlay } from '../support/host-namespaces.ts';

let underlay: TestUnderlay;
let namespace: Namespace;
let rt: RouteSocket;
let path: string;

beforeEach(() => {
  underlay = new TestUnderlay('remove-links');
  path = underlay.namespace('tenant');
  namespace = openNamespace(path);
  rt = RouteSocket.open({ netns: namespace.fd });
});
afterEach(() => {
  rt.close();
  namespace.close();
  underlay.remove();
});

const names = () =>
  inside(path, 'ip', '-br', 'link')
    .split('\n')
    .flatMap((line) => ((/^(\w+)/.exec(line)?.[1] ?? 'lo') === 'lo' ? [] : [line.split(/[@\s]/)[0]]));

async function make(...bridges: string[]): Promise<void> {
  for (const name of bridges) await rt.links.create({ name, kind: 'bridge' });
}

test('removes all of them, and those that are gone already', async () => {
  await make('one', 'two', 'three', 'other');
  await removeLinks(rt, ['one', 'gone', 'two', 'three']);
  expect(names()).toEqual(['other']);
  await removeLinks(rt, ['gone']);
  await removeLinks(rt, ['gone', 'one']);
  expect(names()).toEqual(['other']);
});

test("leaves another's link that is in the group", async () => {
  await make('one', 'two', 'theirs');
  inside(path, 'ip', 'link', 'set', 'theirs', 'group', String(REMOVED_GROUP));
  await removeLinks(rt, ['one', 'two']);
  expect(names()).toEqual(['theirs']);
});
