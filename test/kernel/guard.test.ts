import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { NftSocket } from 'netlink-ts';
import { PROBE_VNI, WEFT_TABLE } from '../../src/kernel/guard-tables.ts';
import { readProbes } from '../../src/kernel/probes.ts';
import { ensureRuleset, removeRuleset } from '../../src/kernel/ruleset.ts';
import type { HostGuardIntent } from '../../src/plan/ruleset.ts';
import { GuardUnderlay, OVERLAY_PORT, vxlan, type Listener } from './guard-underlay.ts';

const KNOWN = { vni: 0x100001, mac: '02:11:22:33:44:55' };

const families = {
  IPv4: {
    host: '192.0.2.1',
    member: '192.0.2.2',
    stranger: '192.0.2.3',
    inside: '172.30.0.1',
    container: '172.30.0.2',
  },
  IPv6: {
    host: '2001:db8::1',
    member: '2001:db8::2',
    stranger: '2001:db8::3',
    inside: 'fd30::1',
    container: 'fd30::2',
  },
} as const;

const DOCKER_PORT = 4789;

const underlay = new GuardUnderlay();
let nft: NftSocket;
let host: Listener;
let member: Listener;
/** the port of another overlay on the same hosts */
let docker: Listener;

beforeAll(async () => {
  underlay.up();
  nft = NftSocket.open({ netns: underlay.path('host') });
  [host, member, docker] = await Promise.all([
    underlay.listen('host'),
    underlay.listen('member'),
    underlay.listen('member', DOCKER_PORT),
  ]);
});
afterAll(() => {
  nft.close();
  underlay.down();
});
beforeEach(async () => {
  await removeRuleset(nft);
  host.heard.length = 0;
  member.heard.length = 0;
  docker.heard.length = 0;
});

function guard(family: keyof typeof families, mac = KNOWN.mac): HostGuardIntent {
  const { host: vtep, member: source } = families[family];
  return { kind: 'host-guard', vtep, overlayPort: OVERLAY_PORT, members: [{ source, vni: KNOWN.vni, mac }] };
}

/** Packets that rules with this comment dropped, as the nft command tells it. */
function dropped(comment: string): number {
  const list = underlay.run('host', 'nft list table inet weft').split('\n');
  const counts = list
    .filter((line) => line.includes(`comment "${comment}"`))
    .map((line) => /packets (\d+)/.exec(line)?.[1]);
  return counts.reduce((sum, count) => sum + Number(count), 0);
}

describe.each(['IPv4', 'IPv6'] as const)('over %s', (family) => {
  const at = families[family];
  const known = { from: at.member, to: at.host };

  test('a known endpoint gets in; a wrong VNI, MAC or outer source does not', async () => {
    await ensureRuleset(nft, guard(family));
    underlay.send('member', known, vxlan({ ...KNOWN, vni: KNOWN.vni + 1 }, 'wrong vni'));
    underlay.send('member', known, vxlan({ ...KNOWN, mac: '02:11:22:33:44:56' }, 'wrong mac'));
    underlay.send('member', { ...known, from: at.stranger }, vxlan(KNOWN, 'wrong source'));
    underlay.send('member', known, vxlan(KNOWN, '').subarray(0, 12));
    underlay.send('member', known, vxlan(KNOWN, 'known'));
    await host.until('known');
    expect(host.heard).toEqual(['known']);
    expect(dropped('not from a known endpoint')).toBe(4);
  });

  test('a probe is noted by its source and MAC, and goes no further; nobody’s is noted without a guard', async () => {
    expect(await readProbes(nft, at.host)).toBeUndefined();
    await ensureRuleset(nft, guard(family));
    expect(await readProbes(nft, at.host)).toEqual([]);
    const mac = '02:99:88:77:66:55';
    underlay.send('member', known, vxlan({ vni: PROBE_VNI, mac }, 'probe'));
    underlay.send('member', known, vxlan(KNOWN, 'known'));
    await host.until('known');
    expect(host.heard).toEqual(['known']);
    expect(await readProbes(nft, at.host)).toEqual([{ source: at.member, mac }]);
    // what packets filled is no change of somebody's
    expect(await ensureRuleset(nft, guard(family), { last: guard(family) })).toMatchObject({ changed: false });
  });

  test('a container behind a bridge cannot speak as a member, whatever source it writes', async () => {
    const forged = { from: at.member, to: at.host };
    underlay.send('container', forged, vxlan(KNOWN, 'forged, no guard'));
    await host.until('forged, no guard');
    await ensureRuleset(nft, guard(family));
    underlay.send('container', forged, vxlan(KNOWN, 'forged'));
    underlay.send('member', known, vxlan(KNOWN, 'known'));
    await host.until('known');
    expect(host.heard).not.toContain('forged');
    expect(dropped('source is not behind this interface')).toBe(1);
  });

  test('the port is closed on the other addresses of the host, to which the socket listens as well', async () => {
    const other = { from: at.container, to: at.inside };
    underlay.send('container', other, vxlan(KNOWN, 'other address, no guard'));
    await host.until('other address, no guard');
    await ensureRuleset(nft, guard(family));
    underlay.send('container', other, vxlan(KNOWN, 'other address'));
    underlay.send('member', known, vxlan(KNOWN, 'known'));
    await host.until('known');
    expect(host.heard).not.toContain('other address');
    expect(dropped('not to the VTEP address')).toBe(1);
  });

  test('VXLAN that a container sends through the host is dropped before source NAT', async () => {
    // the container has the member's own address, so another one of that host is the target
    const through = { from: at.container, to: at.stranger };
    underlay.send('container', through, vxlan(KNOWN, 'forwarded, no guard'));
    await member.until('forwarded, no guard');
    await ensureRuleset(nft, guard(family));
    underlay.send('container', through, vxlan(KNOWN, 'forwarded'));
    underlay.send('container', { ...through, port: DOCKER_PORT }, vxlan(KNOWN, "another's overlay"));
    await docker.until("another's overlay");
    expect(member.heard).not.toContain('forwarded');
    expect(dropped('forwarded VXLAN')).toBe(1);
  });
});

test('a tenant namespace forwards nothing', async () => {
  await ensureRuleset(nft, { kind: 'tenant-guard', overlayPort: OVERLAY_PORT });
  const through = { from: '172.30.0.2', to: '192.0.2.3' };
  underlay.send('container', through, vxlan(KNOWN, 'forwarded'));
  underlay.send('container', { ...through, port: DOCKER_PORT }, vxlan(KNOWN, 'forwarded'));
  underlay.send('member', { from: '192.0.2.2', to: '192.0.2.1' }, vxlan(KNOWN, 'local'));
  await host.until('local');
  expect([...member.heard, ...docker.heard]).toEqual([]);
  expect(dropped('forwarded VXLAN')).toBe(1);
});

describe('ensureRuleset', () => {
  test('makes the table, then changes nothing', async () => {
    expect(await ensureRuleset(nft, guard('IPv4'))).toMatchObject({ created: true, changed: true, repaired: [] });
    const generation = await nft.generation();
    const again = await ensureRuleset(nft, guard('IPv4'), { last: guard('IPv4') });
    expect(again).toMatchObject({ created: false, changed: false, repaired: [] });
    expect(await nft.generation()).toBe(generation);
  });

  test('a change of members is no repair and keeps the counters', async () => {
    await ensureRuleset(nft, guard('IPv4'));
    underlay.send('member', { from: '192.0.2.3', to: '192.0.2.1' }, vxlan(KNOWN, 'wrong source'));
    underlay.send('member', { from: '192.0.2.2', to: '192.0.2.1' }, vxlan(KNOWN, 'known'));
    await host.until('known');
    const moved = guard('IPv4', '02:99:99:99:99:99');
    const result = await ensureRuleset(nft, moved, { last: guard('IPv4') });
    expect(result).toMatchObject({ created: false, changed: true, repaired: [] });
    expect(dropped('not from a known endpoint')).toBe(1);
    underlay.send('member', { from: '192.0.2.2', to: '192.0.2.1' }, vxlan(KNOWN, 'gone'));
    underlay.send(
      'member',
      { from: '192.0.2.2', to: '192.0.2.1' },
      vxlan({ ...KNOWN, mac: '02:99:99:99:99:99' }, 'came'),
    );
    await host.until('came');
    expect(host.heard).not.toContain('gone');
  });

  test.each([
    ['nft flush ruleset', ['guard'], true],
    ['nft flush chain inet weft overlay', ['guard'], false],
    ['nft insert rule inet weft overlay accept', ['guard'], false],
    ['nft add chain inet weft forward { policy drop ; }', ['guard'], false],
    ['nft flush set inet weft members', ['guard-members'], false],
    ['nft delete rule inet weft prerouting handle HANDLE', ['guard'], false],
  ])('repairs and reports: %s', async (command, repaired, created) => {
    await ensureRuleset(nft, guard('IPv4'));
    const list = underlay.run('host', 'nft -a list chain inet weft prerouting');
    const handle = /goto overlay # handle (\d+)/.exec(list)?.[1] ?? '';
    const intact = await nft.readTable(WEFT_TABLE);
    underlay.run('host', command.replace('HANDLE', handle));
    const result = await ensureRuleset(nft, guard('IPv4'), { last: guard('IPv4') });
    expect(result).toMatchObject({ created, changed: true, repaired });
    expect(await nft.readTable(WEFT_TABLE)).toEqual(intact);
  });

  test('removing leaves the tables of others, and may be repeated', async () => {
    underlay.run('host', 'nft add table inet foreign');
    await ensureRuleset(nft, guard('IPv4'));
    await removeRuleset(nft);
    await removeRuleset(nft);
    expect((await nft.listTables()).map(({ name }) => name)).toEqual(['foreign']);
  });

  test('5,000 members are written and read in a round', async () => {
    const members = Array.from({ length: 5_000 }, (_, i) => ({
      source: '192.0.2.2',
      vni: 0x100001,
      mac: `02:00:00:00:${(i >> 8).toString(16).padStart(2, '0')}:${(i & 255).toString(16).padStart(2, '0')}`,
    }));
    const large = { ...guard('IPv4'), members };
    await ensureRuleset(nft, large);
    expect((await ensureRuleset(nft, large, { last: large })).changed).toBe(false);
  });
});
