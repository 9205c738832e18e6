/** Decoders of rules, statistics, qdiscs and filters held against whatever comes, and against captured messages damaged. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DecodeError } from '../../netlink-ts/errors.ts';
import { decodeCountedLink } from '../../netlink-ts/route/link.ts';
import { decodeLinkInfo } from '../../netlink-ts/route/link-info.ts';
import { decodeEvent } from '../../netlink-ts/route/monitor.ts';
import { decodeRoute } from '../../netlink-ts/route/route.ts';
import { decodeRule } from '../../netlink-ts/route/rule.ts';
import { decodeLinkStatistics } from '../../netlink-ts/route/statistics.ts';
import { decodeActions } from '../../netlink-ts/route/traffic/action.ts';
import { decodeBpf } from '../../netlink-ts/route/traffic/bpf.ts';
import { decodeFilter } from '../../netlink-ts/route/traffic/filter.ts';
import { decodeMatchall } from '../../netlink-ts/route/traffic/matchall.ts';
import { decodeMirred } from '../../netlink-ts/route/traffic/mirred.ts';
import { decodeQdisc } from '../../netlink-ts/route/traffic/qdisc.ts';
import { decodeTrafficStatistics } from '../../netlink-ts/route/traffic/statistics.ts';
import { decodeTbf } from '../../netlink-ts/route/traffic/tbf.ts';
import { AttributeWriter } from '../../netlink-ts/wire/attributes.ts';
import { fuzz } from './fuzz.ts';

type Decoder = (data: Buffer) => unknown;
const LONG = process.env['WEFT_LONG'] !== undefined;

const decoders: Record<string, [Decoder, number]> = {
  rule: [decodeRule, 12],
  'statistics of links': [decodeLinkStatistics, 12],
  qdisc: [decodeQdisc, 20],
  filter: [decodeFilter, 20],
  'parts of qdiscs and filters': [
    each(decodeActions, decodeMirred, decodeBpf, decodeMatchall, decodeTbf, decodeTrafficStatistics),
    0,
  ],
  'kinds of links': [each(...['bridge', 'vxlan', 'vlan', 'macvlan', 'ipvlan'].map(ofKind), decodeLinkInfo), 0],
  'events of rules and traffic': [each(...[32, 36, 37, 44, 45].map(ofEvent)), 20],
};

function ofKind(kind: string): Decoder {
  return (data) => decodeLinkInfo(new AttributeWriter().string(1, kind).bytes(2, data).finish());
}

function ofEvent(type: number): Decoder {
  return (payload) => decodeEvent({ type, flags: 0, sequence: 0, port: 0, payload });
}

/** One's DecodeError does not spare the others. */
function each(...parts: Decoder[]): Decoder {
  return (data) => {
    for (const decode of parts) {
      try {
        decode(data);
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error;
      }
    }
  };
}

describe('decoders of whatever comes read it or throw a DecodeError, nothing else', () => {
  it.each(Object.keys(decoders))('%s', (name) => {
    fuzz(...decoders[name]!);
  });
});

function dumped(name: string): Record<string, string[]> {
  const text = readFileSync(new URL(`../fixtures/route-${name}.json`, import.meta.url), 'utf8');
  const found = (JSON.parse(text) as { dumped: string[] | Record<string, string[]> }).dumped;
  return Array.isArray(found) ? { [name]: found } : found;
}

const captured: Record<string, [Decoder, string[]]> = {
  links: [decodeCountedLink, dumped('links')['links']!],
  rules: [decodeRule, dumped('rules')['rules']!],
  routes: [decodeRoute, dumped('routes')['routes']!],
  statistics: [decodeLinkStatistics, dumped('statistics')['statistics']!],
  qdiscs: [decodeQdisc, dumped('traffic')['qdiscs']!],
  filters: [decodeFilter, [...dumped('traffic')['ingress']!, ...dumped('traffic')['egress']!]],
};

describe('captured messages, damaged, are read or throw a DecodeError', () => {
  const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 });

  it.each(Object.keys(captured))('%s', (name) => {
    const [decode, hex] = captured[name]!;
    const originals = hex.map((one) => Buffer.from(one, 'hex'));
    fc.assert(
      fc.property(fc.nat(originals.length - 1), damage, fc.nat(), fc.boolean(), (which, changes, at, cut) => {
        const data = Buffer.from(originals[which]!);
        for (const [place, byte] of changes) data[place % data.length] = byte;
        try {
          decode(cut ? data.subarray(0, at % data.length) : data);
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError);
        }
      }),
      { numRuns: LONG ? 1_000_000 : 2_000 },
    );
  });
});
