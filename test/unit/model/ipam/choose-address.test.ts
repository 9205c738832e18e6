import { describe, expect, it } from 'vitest';
import { formatAddress, parseAddress } from '../../../../src/model/address/address.ts';
import { formatCidr, parseCidr } from '../../../../src/model/address/cidr.ts';
import { AddressTable } from '../../../../src/model/ipam/address-table.ts';
import type { AddressEntry } from '../../../../src/model/ipam/address-table.ts';
import { chooseAddress } from '../../../../src/model/ipam/choose-address.ts';
import type { AddressRequest } from '../../../../src/model/ipam/choose-address.ts';
import { chooseCarve, isUnused } from '../../../../src/model/ipam/choose-carve.ts';
import { needsAnother, ownedSpace, usedOf } from '../../../../src/model/ipam/owned-space.ts';
import { poolOf } from '../../../../src/model/ipam/pool.ts';
import { spanOf } from '../../../../src/model/ipam/spans.ts';

const cidr = (text: string) => parseCidr(text)!;
const address = (text: string) => parseAddress(text)!;
const value = (text: string) => address(text).value;
const pool = poolOf({ cidr: '10.0.0.0/24', gateway: '10.0.0.1', reserved: ['10.0.0.20'] });

/** A node that owns the first block and a piece of the third; the answers are text: an address or a reason. */
function host(taken: Record<string, Partial<AddressEntry>> = {}) {
  const space = ownedSpace(pool, [cidr('10.0.0.0/28'), cidr('10.0.0.32/30')]);
  const table = new AddressTable(pool);
  for (const [text, entry] of Object.entries(taken)) table.set(value(text), { state: 'bound', since: 0, ...entry });
  const ask = (request: AddressRequest = {}) => {
    const choice = chooseAddress(space, table, request);
    return choice.ok ? formatAddress(choice.address) : choice.reason;
  };
  const fill = () => {
    for (let given = ask(); parseAddress(given); given = ask()) table.set(value(given), { state: 'bound', since: 0 });
  };
  return { space, table, ask, fill };
}

describe('an address of the owned space', () => {
  it('goes round, so that one just given up is not the next one given', () => {
    const { ask, table } = host();
    expect(ask()).toBe('10.0.0.2');
    expect(ask({ after: value('10.0.0.14') })).toBe('10.0.0.15');
    expect(ask({ after: value('10.0.0.15') })).toBe('10.0.0.32');
    expect(ask({ after: value('10.0.0.35') })).toBe('10.0.0.2');
    table.set(value('10.0.0.2'), { state: 'held', since: 1 });
    expect(ask({ after: value('10.0.0.35') })).toBe('10.0.0.3');
    expect(ask({ after: value('10.0.0.200') })).toBe('10.0.0.3');
  });

  it('is found behind the last one given and before it, each once', () => {
    const { ask, fill, table, space } = host();
    fill();
    expect(ask({ after: value('10.0.0.9') })).toBe('exhausted-here');
    expect(usedOf(space, table)).toBe(18n);
    expect(space.capacity).toBe(18n);
    table.delete(value('10.0.0.9'));
    for (const after of ['10.0.0.8', '10.0.0.9', '10.0.0.10', '10.0.0.34']) {
      expect(ask({ after: value(after) })).toBe('10.0.0.9');
    }
  });

  it('is one that somebody had by configuration only where there is no other', () => {
    const { ask, fill, table } = host({ '10.0.0.2': { wanted: true }, '10.0.0.3': {} });
    table.delete(value('10.0.0.2'));
    table.delete(value('10.0.0.3'));
    expect(ask()).toBe('10.0.0.3');
    expect(ask({ wanted: address('10.0.0.2') })).toBe('10.0.0.2');
    for (let given = ask(); given !== '10.0.0.2'; given = ask()) table.set(value(given), { state: 'bound', since: 0 });
    fill();
    expect(ask()).toBe('exhausted-here');
    for (const text of ['10.0.0.2', '10.0.0.3']) table.delete(value(text));
    // its last holder had it by chance
    expect(ask()).toBe('10.0.0.2');
  });

  it('can be limited to a range', () => {
    const { ask } = host({ '10.0.0.32': {}, '10.0.0.33': { state: 'held' } });
    expect(ask({ range: cidr('10.0.0.32/28') })).toBe('10.0.0.34');
    expect(ask({ range: cidr('10.0.0.32/31') })).toBe('exhausted-here');
    expect(ask({ range: cidr('10.0.0.64/28') })).toBe('exhausted-here');
  });

  it('can be wished for, and a wish that cannot be met says why', () => {
    const { ask } = host({ '10.0.0.5': {}, '10.0.0.6': { state: 'held' }, '10.0.0.7': { state: 'resting' } });
    const wish = (text: string) => ask({ wanted: address(text) });
    expect(wish('10.0.0.4')).toBe('10.0.0.4');
    expect(wish('10.0.0.5')).toBe('taken');
    expect(wish('10.0.0.6')).toBe('taken');
    expect(wish('10.0.0.7')).toBe('resting');
    expect(wish('10.0.0.1')).toBe('reserved');
    expect(wish('10.0.0.20')).toBe('reserved');
    expect(wish('10.0.0.0')).toBe('outside');
    expect(wish('10.0.1.4')).toBe('outside');
    expect(wish('fd00::4')).toBe('outside');
    expect(wish('10.0.0.40')).toBe('not-owned');
    const { space, table } = host();
    const choice = chooseAddress(space, table, { wanted: address('10.0.0.40') });
    expect(!choice.ok && choice.reason === 'not-owned' && formatCidr(choice.top)).toBe('10.0.0.32/28');
  });

  it('goes back to who had it while it rests, also as a wish', () => {
    const { ask, table } = host({ '10.0.0.9': { state: 'resting', former: 'web-1' } });
    expect(ask({ former: 'web-1' })).toBe('10.0.0.9');
    expect(ask({ former: 'web-2' })).toBe('10.0.0.2');
    expect(ask({ former: 'web-1', range: cidr('10.0.0.32/30') })).toBe('10.0.0.32');
    expect(ask({ former: 'web-1', wanted: address('10.0.0.9') })).toBe('10.0.0.9');
    expect(ask({ former: 'web-2', wanted: address('10.0.0.9') })).toBe('resting');
    table.set(value('10.0.0.9'), { state: 'bound', since: 1 });
    expect(ask({ former: 'web-1' })).toBe('10.0.0.2');
  });

  it('is one whose rest is over, longest first, only when nothing else is free', () => {
    const { ask, fill, table } = host({
      '10.0.0.5': { state: 'resting', since: 30 },
      '10.0.0.6': { state: 'resting', since: 10 },
      '10.0.0.7': { state: 'resting', since: 20 },
    });
    const restOver = ({ since }: AddressEntry) => since < 25;
    expect(ask({ restOver })).toBe('10.0.0.2');
    fill();
    expect(ask()).toBe('exhausted-here');
    expect(ask({ restOver })).toBe('10.0.0.6');
    expect(ask({ restOver, range: cidr('10.0.0.7/32') })).toBe('10.0.0.7');
    table.set(value('10.0.0.6'), { state: 'bound', since: 40 });
    expect(ask({ restOver })).toBe('10.0.0.7');
    table.set(value('10.0.0.7'), { state: 'bound', since: 40 });
    expect(ask({ restOver })).toBe('exhausted-here');
  });
});

describe('an owner that is asked for space', () => {
  const carved = (taken: Record<string, Partial<AddressEntry>>, range?: string) => {
    const { space, table } = host(taken);
    const part = chooseCarve(space, table, range === undefined ? undefined : cidr(range));
    return part && formatCidr(part);
  };

  it('gives the largest part that is unused, not more than half of what it has', () => {
    expect(carved({})).toBe('10.0.0.8/29');
    expect(carved({ '10.0.0.5': {}, '10.0.0.9': {} })).toBe('10.0.0.12/30');
    expect(carved({}, '10.0.0.32/30')).toBe('10.0.0.34/31');
    expect(carved({}, '10.0.0.64/26')).toBeUndefined();
  });

  it('gives no more than one block of the pool at once', () => {
    const space = ownedSpace(pool, [cidr('10.0.0.64/26'), cidr('10.0.0.128/25')]);
    expect(formatCidr(chooseCarve(space, new AddressTable(pool))!)).toBe('10.0.0.112/28');
  });

  it('gives its last free address, and nothing when all are used or rest', () => {
    const { space, table, fill } = host();
    fill();
    expect(chooseCarve(space, table)).toBeUndefined();
    table.delete(value('10.0.0.33'));
    expect(formatCidr(chooseCarve(space, table)!)).toBe('10.0.0.33/32');
    table.set(value('10.0.0.33'), { state: 'resting', since: 0 });
    expect(chooseCarve(space, table)).toBeUndefined();
  });

  it('knows which part is unused', () => {
    const { table } = host({ '10.0.0.9': {} });
    expect(isUnused(table, spanOf(cidr('10.0.0.8/29')))).toBe(false);
    expect(isUnused(table, spanOf(cidr('10.0.0.0/29')))).toBe(true);
  });
});

it('more space is due when three quarters are used', () => {
  expect([11n, 12n, 13n].map((used) => needsAnother(16n, used))).toEqual([false, true, true]);
  expect(needsAnother(0n, 0n)).toBe(true);
});
