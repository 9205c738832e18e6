import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatAddress, parseAddress } from '../../../src/model/address/address.ts';
import { contains, formatCidr, lastOf, overlaps, parseCidr } from '../../../src/model/address/cidr.ts';
import { linkLocalOf, macFor } from '../../../src/model/address/mac.ts';
import { chooseSubnet } from '../../../src/model/ipam/choose-subnet.ts';
import { allocate, blockPrefix, capacityOf, poolOf } from '../../../src/model/ipam/pool.ts';

const small = fc.record({
  prefix: fc.integer({ min: 24, max: 30 }),
  third: fc.integer({ min: 0, max: 255 }),
  seed: fc.string(),
});

describe('allocate', () => {
  it('gives every address of a pool once, none of them reserved, and then says that it is exhausted', () => {
    fc.assert(
      fc.property(small, fc.integer({ min: 2, max: 5 }), ({ prefix, third, seed }, reservedOffset) => {
        const cidr = parseCidr(`10.1.${third}.0/${prefix}`)!;
        const reserved = formatAddress({ family: 4, value: cidr.first + BigInt(reservedOffset % 2 ** (32 - prefix)) });
        const pool = poolOf({
          cidr: formatCidr(cidr),
          gateway: formatAddress({ family: 4, value: cidr.first + 1n }),
          reserved: [reserved],
        });
        const given = new Set<bigint>();
        for (;;) {
          const answer = allocate(pool, { seed }, (address) => given.has(address));
          if (!answer.ok) {
            expect(answer.reason).toBe('exhausted');
            break;
          }
          expect(given.has(answer.address.value)).toBe(false);
          expect(contains(cidr, answer.address)).toBe(true);
          expect([cidr.first, cidr.first + 1n, lastOf(cidr)]).not.toContain(answer.address.value);
          expect(formatAddress(answer.address)).not.toBe(reserved);
          given.add(answer.address.value);
        }
        expect(BigInt(given.size)).toBe(capacityOf(pool));
      }),
    );
  });

  it('names why a wish cannot be met', () => {
    const pool = poolOf({ cidr: '10.0.0.0/24', gateway: '10.0.0.1', reserved: ['10.0.0.128/25'] });
    const wish = (text: string, taken = false) =>
      allocate(pool, { seed: '', wanted: parseAddress(text)! }, () => taken);
    expect(wish('10.0.1.1')).toMatchObject({ reason: 'outside' });
    expect(wish('10.0.0.0')).toMatchObject({ reason: 'outside' });
    expect(wish('10.0.0.255')).toMatchObject({ reason: 'outside' });
    expect(wish('10.0.0.1')).toMatchObject({ reason: 'reserved' });
    expect(wish('10.0.0.130')).toMatchObject({ reason: 'reserved' });
    expect(wish('10.0.0.9', true)).toMatchObject({ reason: 'taken' });
    expect(wish('10.0.0.9')).toMatchObject({ ok: true });
    expect(capacityOf(pool)).toBe(126n);
  });

  it('keeps to the range it is given', () => {
    const pool = poolOf({ cidr: '10.0.0.0/16', gateway: '10.0.0.1', reserved: [] });
    const range = parseCidr('10.0.7.0/30')!;
    const given = new Set<bigint>();
    for (let i = 0; i < 4; i++) {
      const answer = allocate(pool, { seed: 'x', range }, (address) => given.has(address));
      if (answer.ok) given.add(answer.address.value);
    }
    expect(given).toEqual(new Set([range.first, range.first + 1n, range.first + 2n, range.first + 3n]));
    expect(allocate(pool, { seed: 'x', range }, (address) => given.has(address))).toMatchObject({
      reason: 'exhausted',
    });
  });

  it('gives IPv6 addresses of the low 32 bits only', () => {
    const pool = poolOf({ cidr: 'fd00:1::/64', gateway: 'fd00:1::1', reserved: [] });
    fc.assert(
      fc.property(fc.string(), (seed) => {
        const answer = allocate(pool, { seed }, () => false);
        expect(answer.ok && answer.address.value - pool.cidr.first < 1n << 32n).toBe(true);
      }),
    );
    expect(allocate(pool, { seed: '', wanted: parseAddress('fd00:1::1:0:0:1')! }, () => false)).toMatchObject({
      reason: 'outside',
    });
  });
});

describe('blocks', () => {
  it('are the square root of the pool', () => {
    expect([8, 16, 24, 29, 30].map((prefix) => blockPrefix(4, prefix))).toEqual([20, 24, 28, 30, 30]);
    expect([64, 112, 126].map((prefix) => blockPrefix(6, prefix))).toEqual([112, 120, 126]);
  });
});

describe('chooseSubnet', () => {
  it('never overlaps what is used, and gives a place back once it is free', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 40 })), (steps) => {
        const used = [parseCidr('10.0.0.0/8')!];
        for (const step of steps) {
          if (step % 5 === 0 && used.length > 1) used.splice(1 + (step % (used.length - 1)), 1);
          const chosen = chooseSubnet(4, 'cluster', used)!;
          expect(used.some((other) => overlaps(other, chosen))).toBe(false);
          used.push(chosen);
        }
      }),
    );
  });

  it('says so when nothing is left', () => {
    expect(chooseSubnet(4, '', [parseCidr('0.0.0.0/0')!])).toBeUndefined();
  });
});

describe('addresses as text', () => {
  it('survive the way there and back', () => {
    fc.assert(
      fc.property(fc.ipV4(), (text) => {
        expect(formatAddress(parseAddress(text)!)).toBe(text);
      }),
    );
    fc.assert(
      fc.property(fc.bigInt({ min: 1n << 32n, max: (1n << 128n) - 1n }), (value) => {
        expect(parseAddress(formatAddress({ family: 6, value }))).toEqual({ family: 6, value });
      }),
    );
  });

  it('are refused when they are anything else', () => {
    for (const text of [
      '',
      '1.2.3',
      '1.2.3.4/8',
      '01.2.3.4',
      '1.2.3.256',
      'fe80::1%eth0',
      '::ffff:1.2.3.4',
      'x',
      '1:2',
    ]) {
      expect(parseAddress(text), text).toBeUndefined();
    }
    expect(parseCidr('10.1.2.3/16')).toBeUndefined();
  });
});

describe('MAC addresses', () => {
  it('follow the address and are unicast, local ones', () => {
    expect(macFor(0x100000, '10.1.2.3')).toMatch(/^02:[0-9a-f]{2}:0a:01:02:03$/);
    expect(macFor(0x100000, '10.1.2.3')).not.toBe(macFor(0x100001, '10.1.2.3'));
  });

  it('give the link-local address of RFC 4291', () => {
    expect(formatAddress(linkLocalOf('02:42:0a:01:02:03'))).toBe('fe80::42:aff:fe01:203');
  });
});
