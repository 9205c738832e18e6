/** Every nftables decoder held against whatever comes, from scratch and from captured messages with bytes changed. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DecodeError } from '../../netlink-ts/errors.ts';
import { decodeElementUserdata } from '../../netlink-ts/nft/element-userdata.ts';
import { decodeExpressions } from '../../netlink-ts/nft/expression.ts';
import { decodeChain } from '../../netlink-ts/nft/messages/chain.ts';
import { decodeElements } from '../../netlink-ts/nft/messages/element.ts';
import { decodeRule } from '../../netlink-ts/nft/messages/rule.ts';
import { decodeSet } from '../../netlink-ts/nft/messages/set.ts';
import { decodeTable } from '../../netlink-ts/nft/messages/table.ts';
import { modelElements } from '../../netlink-ts/nft/set-elements.ts';
import { decodeSetUserdata } from '../../netlink-ts/nft/set-userdata.ts';
import { AttributeReader } from '../../netlink-ts/wire/attributes.ts';
import { fuzz } from './fuzz.ts';

/** struct nfgenmsg */
const HEADER = 4;

const interval = {
  name: 's',
  key: [{ type: 'ipv4_addr' as const, length: 4 }],
  flags: ['interval' as const],
  elements: [],
};

const messages: Record<string, (data: Buffer) => unknown> = {
  table: decodeTable,
  chain: decodeChain,
  set: decodeSet,
  elements: (data) => modelElements(interval, decodeElements(data), false),
  rule: decodeRule,
};
const parts: Record<string, (data: Buffer) => unknown> = {
  expressions: (data) => decodeExpressions(new AttributeReader(data)),
  'user data of a set': decodeSetUserdata,
  'user data of an element': decodeElementUserdata,
};

interface Captured {
  payload: string;
}

interface Dump {
  chains: Captured[];
  sets: Captured[];
  rules: Captured[];
  elements: Record<string, Captured[]>;
}

function captured(): Record<string, Buffer[]> {
  const dumps = ['nft.json', 'nft-statements.json', 'nft-sets.json'].map((name) => {
    const text = readFileSync(new URL(`../fixtures/${name}`, import.meta.url), 'utf8');
    return (JSON.parse(text) as { dumped: Dump }).dumped;
  });
  const all = (pick: (dump: Dump) => Captured[]) =>
    dumps.flatMap(pick).map(({ payload }) => Buffer.from(payload, 'hex'));
  return {
    chain: all(({ chains }) => chains),
    set: all(({ sets }) => sets),
    elements: all(({ elements }) => Object.values(elements).flat()),
    rule: all(({ rules }) => rules),
  };
}

describe('decoders of whatever comes read it or throw a DecodeError, nothing else', () => {
  it.each(Object.keys(messages))('%s', (name) => {
    fuzz(messages[name]!, HEADER);
  });

  it.each(Object.keys(parts))('%s', (name) => {
    fuzz(parts[name]!, 0);
  });

  const known = captured();
  it.each(Object.keys(known))('%s, captured and then damaged', (name) => {
    const originals = known[name]!;
    const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(fc.nat(originals.length - 1), damage, fc.nat(), fc.boolean(), (which, changes, at, cut) => {
        const data = Buffer.from(originals[which]!);
        for (const [place, value] of changes) data[place % data.length] = value;
        try {
          messages[name]!(cut ? data.subarray(0, at % data.length) : data);
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError);
        }
      }),
      { numRuns: process.env.WEFT_LONG === undefined ? 3_000 : 1_000_000 },
    );
  });
});
