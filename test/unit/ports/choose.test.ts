import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Publication } from '../../../src/model/objects.ts';
import { choosePorts } from '../../../src/model/ports/choose.ts';
import type { PortChoice, TakenPlace } from '../../../src/model/ports/choose.ts';
import { clash, placesOf } from '../../../src/model/ports/places.ts';
import { checkWishes, parsePublish } from '../../../src/model/ports/wish.ts';
import type { PortWish } from '../../../src/model/ports/wish.ts';

const OVERLAY_PORT = 14789;
const wish = (text: string) => parsePublish('publish', text);
const taken = (address: string, port: number, holder = 'acme/web/db'): TakenPlace => ({
  ...{ protocol: 'tcp', address, port, holder },
});

function choose(wishes: string[], options: Partial<PortChoice> = {}) {
  const ephemeral = { first: 40_000, last: 40_003, start: 2 };
  return choosePorts(wishes.map(wish), { families: [4, 6], taken: [], had: [], ephemeral, ...options });
}

function hostPorts(wishes: string[], options: Partial<PortChoice> = {}): number[] {
  const chosen = choose(wishes, options);
  return 'publications' in chosen ? chosen.publications.map(({ hostPort }) => hostPort) : [];
}

describe('what is asked for', () => {
  it.each([
    ['80', { protocol: 'tcp', address: '', first: 0, last: 0, port: 80 }],
    ['8080:80', { protocol: 'tcp', address: '', first: 8080, last: 8080, port: 80 }],
    ['8080-8090:80/udp', { protocol: 'udp', address: '', first: 8080, last: 8090, port: 80 }],
    ['192.0.2.1:53:5353/udp', { protocol: 'udp', address: '192.0.2.1', first: 53, last: 53, port: 5353 }],
    ['127.0.0.1::80', { protocol: 'tcp', address: '127.0.0.1', first: 0, last: 0, port: 80 }],
    ['[2001:db8::1]:443:443/sctp', { protocol: 'sctp', address: '2001:db8::1', first: 443, last: 443, port: 443 }],
  ])('is read as Docker reads it: %s', (text, expected) => {
    expect(wish(text)).toEqual(expected);
    expect(checkWishes('publish', [wish(text)], OVERLAY_PORT)).toEqual([expected]);
  });

  it.each(['', 'http', '80:', '1:2:3', '80/icmp', '8080:80/', '2001:db8::1:80:80', '[]:8080:80'])(
    'is refused: "%s"',
    (text) => {
      expect(() => wish(text)).toThrow(/publish: /);
    },
  );

  it.each([
    ['0', /is not a port/],
    ['65536', /is not a port/],
    ['90-80:80', /is not a range/],
    ['[::1]:80:80', /leads nothing from \[::1\]/],
    ['224.0.0.1:80:80', /lies in 224\.0\.0\.0\/4/],
    ['[fe80::1]:80:80', /lies in fe80::\/10/],
    ['999.0.0.1:80:80', /is not an IP address/],
    ['14789:80/udp', /carries the overlay/],
    ['80:14789/udp', /carries the overlay/],
  ])('is refused where it cannot be had: %s', (text, why) => {
    expect(() => checkWishes('publish', [wish(text)], OVERLAY_PORT)).toThrow(why);
  });
});

describe('ports of a host', () => {
  it('are the one asked for, the first of a range that is free, or any, from where the search begins', () => {
    expect(hostPorts(['8080:80', '9000-9002:80', '80', '81'])).toEqual([8080, 9000, 40_002, 40_003]);
    expect(hostPorts(['9000-9002:80'], { taken: [taken('0.0.0.0', 9000), taken('192.0.2.1', 9001)] })).toEqual([9002]);
    expect(hostPorts(['9000-9001:80', '9000-9001:81'])).toEqual([9000, 9001]);
  });

  it('are refused with who has them', () => {
    const there = [taken('127.0.0.1', 8080)];
    expect(choose(['8080:80'], { taken: there })).toEqual({ refused: wish('8080:80'), holder: there[0] });
    expect(choose(['8080:80', '8080:81'])).toMatchObject({ holder: { holder: 'the same container' } });
    expect(hostPorts(['192.0.2.1:8080:80', '8080:80/udp'], { taken: there })).toEqual([8080, 8080]);
  });

  it('need an address of the family', () => {
    expect(choose(['[::]:80:80'], { families: [4] })).toEqual({ refused: wish('[::]:80:80'), holder: undefined });
    expect(hostPorts(['80:80'], { families: [4], taken: [taken('::', 80)] })).toEqual([80]);
  });

  it('stay what they are for as long as they fit', () => {
    const had: Publication[] = [{ protocol: 'tcp', address: '', hostPort: 40_001, port: 80 }];
    expect(hostPorts(['80'], { had })).toEqual([40_001]);
    expect(hostPorts(['40000-40001:80'], { had })).toEqual([40_001]);
    expect(hostPorts(['50000-50001:80'], { had })).toEqual([50_000]);
  });

  it('are never given twice, whatever is asked for', () => {
    const protocol = fc.constantFrom('tcp' as const, 'udp' as const);
    const address = fc.constantFrom('', '0.0.0.0', '::', '192.0.2.1', '2001:db8::1');
    const port = fc.integer({ min: 1, max: 6 });
    const anyWish = fc
      .tuple(protocol, address, port, fc.integer({ min: 0, max: 4 }), port)
      .map(([one, where, first, more, to]): PortWish => {
        return { protocol: one, address: where, first, last: first + more, port: to };
      });
    fc.assert(
      fc.property(fc.array(anyWish, { maxLength: 12 }), (wishes) => {
        const ephemeral = { first: 40_000, last: 40_003, start: 0 };
        const chosen = choosePorts(wishes, { families: [4, 6], taken: [], had: [], ephemeral });
        if (!('publications' in chosen)) return;
        const places = chosen.publications.map((one) => placesOf(one, [4, 6]));
        for (const [i, mine] of places.entries()) {
          for (const others of places.slice(i + 1)) {
            expect(mine.some((one) => others.some((other) => clash(one, other)))).toBe(false);
          }
          const { hostPort } = chosen.publications[i]!;
          expect(hostPort >= wishes[i]!.first && hostPort <= wishes[i]!.last).toBe(true);
        }
      }),
    );
  });
});
