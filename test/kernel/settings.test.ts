import { afterEach, beforeEach, expect, test } from 'vitest';
import { openNamespace } from 'netlink-ts';
import type { Namespace } from 'netlink-ts';
import { ownSettingOf, Settings } from '../../src/kernel/settings.ts';
import { inside, TestUnderlay } from '../support/host-namespaces.ts';

const PATHS = ['net/ipv4/ip_forward', 'net/nothing/of/the/kind', 'net/ipv6/conf/default/accept_dad'];
/** longer than anything is kept */
const LONG = 60_000;

let underlay: TestUnderlay;
let path: string;
let namespace: Namespace;

beforeEach(() => {
  underlay = new TestUnderlay('settings');
  path = underlay.namespace('tenant');
  namespace = openNamespace(path);
});
afterEach(() => {
  namespace.close();
  underlay.remove();
});

const forward = (value: string) => inside(path, 'sysctl', '-qw', `net.ipv4.ip_forward=${value}`);

test('are read again when they are old, when somebody says so, and of another namespace of the same name', () => {
  let now = 0;
  const settings = new Settings(PATHS, () => now);
  const read = (from = namespace) => settings.of('acme', from).map((object) => Object.values(object).at(-1) as string);
  forward('0');
  expect(read()[0]).toBe('0');
  expect(read()).toHaveLength(2);
  forward('1');
  expect(read()[0]).toBe('0');
  settings.forget('acme');
  expect(read()[0]).toBe('1');
  forward('0');
  now += LONG;
  expect(read()[0]).toBe('0');
  const other = openNamespace(underlay.namespace('other'));
  inside(underlay.namespace('other'), 'sysctl', '-qw', 'net.ipv4.ip_forward=1');
  expect(read(other)[0]).toBe('1');
  other.close();
});

test('of the own namespace are there without a thread, and undefined where the kernel has none', () => {
  expect(ownSettingOf('net/ipv4/ip_forward')).toMatch(/^[01]$/);
  expect(ownSettingOf('net/nothing/of/the/kind')).toBeUndefined();
});
