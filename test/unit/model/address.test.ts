import { isIP } from 'node:net';
import fc from 'fast-check';
import { Address6 } from 'ip-address';
import { expect, it } from 'vitest';
import { formatAddress, parseAddress } from '../../../src/model/address/address.ts';

const group = fc.oneof(fc.constantFrom('0', '0000', '1', 'ffff', 'F00d'), fc.stringMatching(/^[0-9a-f]{1,4}$/));
/** Of all ways to write an address, and of texts that only look like one. */
const written = fc
  .tuple(fc.array(group, { maxLength: 9 }), fc.array(group, { maxLength: 9 }), fc.constantFrom('::', ':', ':::', ''))
  .map(([head, tail, gap]) => head.join(':') + gap + tail.join(':'));
const scribbled = fc.string({ unit: fc.constantFrom(...Array.from('0123456789abcdefABCDEFg:.')), maxLength: 40 });
const six = fc.bigInt({ min: 0n, max: (1n << 128n) - 1n });
const four = fc.bigInt({ min: 0n, max: (1n << 32n) - 1n });

it('reads exactly what is an address', () => {
  fc.assert(
    fc.property(fc.oneof(written, scribbled), (text) => {
      // IPv4 within IPv6 is nobody's address here.
      const valid = isIP(text) !== 0 && !(text.includes(':') && text.includes('.'));
      expect(parseAddress(text) !== undefined).toBe(valid);
      if (valid && text.includes(':')) expect(parseAddress(text)?.value).toBe(new Address6(text).bigInt());
    }),
    { numRuns: 2_000 },
  );
});

it('reads what it writes', () => {
  fc.assert(
    fc.property(six, (value) => {
      expect(parseAddress(formatAddress({ family: 6, value }))).toEqual({ family: 6, value });
    }),
  );
  fc.assert(
    fc.property(four, (value) => {
      expect(parseAddress(formatAddress({ family: 4, value }))).toEqual({ family: 4, value });
    }),
  );
});

it.each([
  '',
  ':',
  ':::',
  '1::2::3',
  '::1%eth0',
  '::1/64',
  '::ffff:10.0.0.1',
  '1:2:3:4:5:6:7:8:9',
  '1::2:3:4:5:6:7:8',
  '010.0.0.1',
])('does not read %s', (text) => {
  expect(parseAddress(text)).toBeUndefined();
});
