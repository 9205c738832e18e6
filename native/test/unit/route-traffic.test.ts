/** Queueing disciplines, filters and their actions against captured bytes, both ways. */
import { describe, expect, it } from 'vitest';
import { decodeActions } from '../../netlink-ts/route/traffic/action.ts';
import type { ActionSpec } from '../../netlink-ts/route/traffic/action.ts';
import { MATCH_EVERY_PACKET } from '../../netlink-ts/route/traffic/bpf.ts';
import {
  decodeFilter,
  encodeFilter,
  encodeFilterQuery,
  encodeFilterReference,
} from '../../netlink-ts/route/traffic/filter.ts';
import type { FilterSpec } from '../../netlink-ts/route/traffic/filter.ts';
import { decodeQdisc, encodeQdisc, encodeQdiscReference } from '../../netlink-ts/route/traffic/qdisc.ts';
import type { QdiscSpec } from '../../netlink-ts/route/traffic/qdisc.ts';
import { AttributeWriter } from '../../netlink-ts/wire/attributes.ts';
import { Captured } from './route-tree.ts';

const captured = new Captured<{ qdiscs: string[]; ingress: string[]; egress: string[] }>('traffic');
const [WI0, WV1, WV0, WM0, WM1] = [2, 5, 6, 7, 8];
const ETH_P_IP = 0x800;
const options = { header: 20, nested: ['2', '2/1', '2/1/*', '2/1/*/2'], text: ['1', '2/1/*/1'] };

describe('queueing disciplines', () => {
  const plain: Record<string, QdiscSpec> = {
    clsact: { index: WV0, kind: 'clsact' },
    ingress: { index: WV1, kind: 'ingress' },
  };

  it.each(Object.keys(plain))('%s is asked for as iproute2 does', (name) => {
    captured.same(encodeQdisc(plain[name]!), name, options);
  });

  it('kinds that the library does not know are asked for by name', () => {
    captured.same(encodeQdisc({ index: WM1, kind: 'fq_codel' }), 'fqCodel', { ...options, skip: ['2'] });
  });

  it('clsact goes by where it hangs', () => {
    const theirs = captured.sent('deleteClsact').toString('hex', 0, 20);
    const ours = encodeQdiscReference({ index: WV0, parent: 'clsact' }).toString('hex');
    // tcm_handle, which iproute2 gives and the kernel then compares
    expect(ours).toBe(theirs.replace('0000ffff', '00000000'));
  });

  const buckets: Record<string, QdiscSpec & { tbf: object }> = {
    tbf: { index: WV0, handle: 0x10000, kind: 'tbf', tbf: { rate: 1_250_000, burst: 16_384, limit: 78_884 } },
    tbfReplace: { index: WV0, handle: 0x10000, kind: 'tbf', tbf: { rate: 2_500_000, burst: 32_768, limit: 100_000 } },
    tbfFast: {
      index: WI0,
      handle: 0x20000,
      kind: 'tbf',
      tbf: { rate: 5_000_000_000, burst: 1_048_576, limit: 10_485_760 },
    },
  };

  it.each(Object.keys(buckets))('%s means the same as what iproute2 asks for', (name) => {
    const ours = encodeQdisc(buckets[name]!);
    const theirs = captured.sent(name);
    expect(ours.toString('hex', 0, 20)).toBe(theirs.toString('hex', 0, 20));
    expect(decodeQdisc(theirs).tbf).toMatchObject(buckets[name]!.tbf);
    expect(decodeQdisc(ours).tbf).toMatchObject(buckets[name]!.tbf);
    // Told the link layer, the kernel needs no table of times (TCA_TBF_RTAB).
    expect(decodeQdisc(theirs).tbf?.other.map(({ type }) => type)).toEqual([2]);
    expect(decodeQdisc(ours).tbf?.other).toEqual([]);
  });

  it('are answered with what they counted', () => {
    const found = captured.dumped((dump) => dump.qdiscs, decodeQdisc);
    expect(found.map(({ index, kind, parent, handle }) => [index, kind, parent, handle])).toEqual([
      [1, 'noqueue', 0xffffffff, 0],
      [WI0, 'tbf', 0xffffffff, 0x20000],
      [4, 'noqueue', 0xffffffff, 0],
      [WV1, 'noqueue', 0xffffffff, 0],
      [WV1, 'ingress', 'clsact', 0xffff0000],
      [WV0, 'tbf', 0xffffffff, 0x10000],
      [WV0, 'clsact', 'clsact', 0xffff0000],
    ]);
    expect(found.find(({ index, kind }) => index === WV0 && kind === 'tbf')).toMatchObject({
      tbf: buckets['tbfReplace']!.tbf,
      statistics: { bytes: 250n, packets: 3n, drops: 0, overlimits: 0, requeues: 0, backlog: 0, queueLength: 0 },
    });
    // A burst is dumped as its time, in ticks in each of which 320 bytes go at this rate.
    const fast = found.find(({ index }) => index === WI0)?.tbf;
    expect(fast).toMatchObject({ rate: 5_000_000_000, limit: 10_485_760 });
    expect(Math.abs((fast?.burst ?? 0) - 1_048_576)).toBeLessThanOrEqual(320);
    expect(found.find(({ kind }) => kind === 'clsact')?.statistics).toMatchObject({ bytes: 646n, packets: 10n });
  });

  it('options of kinds that the library does not know are kept', () => {
    const payload = Buffer.concat([
      Buffer.alloc(20),
      new AttributeWriter().string(1, 'cake').bytes(2, Buffer.from('0800010007000000', 'hex')).finish(),
    ]);
    expect(decodeQdisc(payload)).toMatchObject({
      kind: 'cake',
      other: [{ type: 2, data: Buffer.from('0800010007000000', 'hex') }],
    });
  });
});

const redirect: ActionSpec = { mirred: { do: 'redirect', at: 'egress', device: WI0 } };
const filters: Record<string, FilterSpec> = {
  redirect: {
    index: WV0,
    parent: 'ingress',
    priority: 1,
    handle: 1,
    kind: 'bpf',
    bpf: { instructions: MATCH_EVERY_PACKET, actions: [redirect] },
  },
  mirror: {
    index: WV0,
    parent: 'egress',
    priority: 5,
    protocol: ETH_P_IP,
    handle: 1,
    kind: 'bpf',
    bpf: {
      instructions: [{ code: 6, jt: 0, jf: 0, k: 65535 }],
      classId: 0x10001,
      actions: [{ mirred: { do: 'mirror', at: 'egress', device: WM0 } }],
    },
  },
  matchall: {
    index: WV0,
    parent: 'ingress',
    priority: 7,
    handle: 1,
    kind: 'matchall',
    matchall: { actions: [redirect] },
  },
};

describe('filters', () => {
  it.each(Object.keys(filters))('%s is asked for as iproute2 does', (name) => {
    const nested = name === 'matchall' ? ['2', '2/2', '2/2/*', '2/2/*/2'] : options.nested;
    captured.same(encodeFilter(filters[name]!), name, { ...options, nested, text: ['1', '2/*/*/1'] });
  });

  it('a loaded program goes by its descriptor', () => {
    const spec: FilterSpec = {
      index: WV0,
      parent: 'ingress',
      priority: 9,
      handle: 1,
      kind: 'bpf',
      bpf: { fd: 4, name: 'wcap:[*fsobj]', directAction: true },
    };
    captured.same(encodeFilter(spec), 'direct', { ...options, nested: ['2'] });
  });

  it('one goes by its priority, kind and handle', () => {
    const reference = { index: WV0, parent: 'ingress', priority: 9, handle: 1, kind: 'bpf' } as const;
    captured.same(encodeFilterReference(reference), 'deleteFilter', options);
    expect(encodeFilterQuery({ index: WV0, parent: 'egress' }).toString('hex')).toBe(
      '0000000006000000' + '00000000' + 'f3ffffff' + '00000000',
    );
  });

  it('are answered with what they do and have counted', () => {
    const found = captured.dumped((dump) => dump.ingress, decodeFilter);
    const [head, first, , direct] = found;
    expect(head).toMatchObject({ handle: 0, priority: 1, kind: 'bpf' });
    expect(first).toMatchObject({
      index: WV0,
      parent: 'ingress',
      priority: 1,
      protocol: 3,
      chain: 0,
      handle: 1,
      bpf: {
        directAction: false,
        instructions: MATCH_EVERY_PACKET,
        actions: [{ kind: 'mirred', mirred: redirect.mirred, statistics: { bytes: 396n, packets: 7n } }],
      },
    });
    expect(direct).toMatchObject({
      priority: 9,
      bpf: { directAction: true, name: 'wcap:[*fsobj]', id: 169, tag: '59f4a931744dcdc6', actions: [] },
    });
    const egress = captured.dumped((dump) => dump.egress, decodeFilter);
    expect(egress[1]).toMatchObject({ parent: 'egress', priority: 5, protocol: ETH_P_IP, bpf: { classId: 0x10001 } });
    expect(egress[1]?.bpf?.actions).toMatchObject(filters['mirror']!.bpf!.actions!);
    // Of u32, which the library does not read, the options are kept.
    expect(egress[4]).toMatchObject({ kind: 'u32', handle: 0x80000800, other: [{ type: 2 }] });
  });
});

it('actions that the library has no words for are kept', () => {
  const unknown = new AttributeWriter().nested(1, (action) => {
    action.string(1, 'gact').nestedFlagged(2, (inner) => inner.u32(2, 7));
  });
  expect(decodeActions(unknown.finish())).toMatchObject([{ kind: 'gact', other: [{ type: 2 }] }]);
  const parameters = Buffer.alloc(28);
  parameters.writeInt32LE(99, 20);
  const strange = new AttributeWriter().nested(1, (action) => {
    action.string(1, 'mirred').nestedFlagged(2, (inner) => inner.bytes(2, parameters));
  });
  const [action] = decodeActions(strange.finish());
  expect(action).toMatchObject({ kind: 'mirred', other: [{ type: 2 }] });
  expect(action).not.toHaveProperty('mirred');
});
