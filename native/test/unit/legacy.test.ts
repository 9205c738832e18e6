/** Tables of iptables-legacy as a kernel (6.18) handed them out after the fixture's commands; and damaged. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DecodeError } from '../../netlink-ts/errors.ts';
import { decodeTable, INFO_LENGTH } from '../../netlink-ts/legacy/decode.ts';

interface Captured {
  commands: string[];
  info: string;
  rules: string;
}

const captured = JSON.parse(readFileSync(new URL('../fixtures/legacy.json', import.meta.url), 'utf8')) as Record<
  '4' | '6',
  Captured
>;
const RUNS = { numRuns: process.env['WEFT_LONG'] === undefined ? 1_000 : 1_000_000 };

describe.each([4, 6] as const)('a table of IPv%s', (family) => {
  const info = Buffer.from(captured[family].info, 'hex');
  const rules = Buffer.from(captured[family].rules, 'hex');
  /** Values that lengths and places may have, in the table and beside it. */
  const number = fc.oneof(fc.nat({ max: rules.length + 8 }), fc.constantFrom(0, 0xffff, 0xffffffff));

  function decodesOrSaysWhy(infoRead: Buffer, rulesRead: Buffer): void {
    try {
      decodeTable(family, infoRead, rulesRead);
    } catch (error) {
      expect(error).toBeInstanceOf(DecodeError);
    }
  }

  it('is read as it was written', () => {
    const none = { policy: 'accept', byInterface: [] };
    const byInterface = [
      { iifname: 'wu+', oifname: '', verdict: 'accept' },
      { iifname: '', oifname: 'eth0', verdict: 'drop' },
    ];
    const chains = { input: none, forward: { policy: 'drop', byInterface }, output: none };
    expect(decodeTable(family, info, rules)).toEqual({ empty: false, chains });
  });

  it('ends, or is refused with a DecodeError, whatever its lengths and places say', () => {
    const damage = fc.tuple(fc.nat({ max: rules.length - 2 }), fc.integer({ min: 0, max: 0xffff }));
    const places = fc.array(fc.tuple(fc.nat({ max: INFO_LENGTH / 4 - 9 }), number), { maxLength: 4 });
    fc.assert(
      fc.property(fc.array(damage, { maxLength: 8 }), places, fc.nat({ max: 300 }), (damaged, moved, cut) => {
        const [infoRead, rulesRead] = [Buffer.from(info), Buffer.from(rules)];
        for (const [at, value] of damaged) rulesRead.writeUInt16LE(value, at);
        for (const [i, value] of moved) infoRead.writeUInt32LE(value, 32 + 4 * i);
        decodesOrSaysWhy(infoRead, rulesRead.subarray(0, rulesRead.length - cut));
      }),
      RUNS,
    );
  });

  it('that is no table at all is refused, or has nothing in it', () => {
    const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((data) => Buffer.from(data));
    fc.assert(fc.property(bytes(2 * INFO_LENGTH), bytes(1_000), decodesOrSaysWhy), RUNS);
  });
});
