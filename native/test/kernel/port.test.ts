/** Ports that are held, and rules that lead them elsewhere, in namespaces with nothing else in them. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  addressHex,
  concatenate,
  DNAT_TARGETS,
  dnatByMap,
  integer,
  keyField,
  match,
  NftSocket,
  rule,
} from '../../netlink-ts/nft/index.ts';
import { holdPort, openNamespace } from '../../netlink-ts/index.ts';
import type { Namespace } from '../../netlink-ts/index.ts';
import { inNamespace, TestNamespaces } from './namespaces.ts';

const PORT = 8080;
const namespaces = new TestNamespaces();
let path: string;
let netns: Namespace;

beforeEach(() => {
  path = namespaces.make('ports');
  netns = openNamespace(path);
  inNamespace(path, 'ip', 'link', 'set', 'lo', 'up');
});
afterEach(() => {
  netns.close();
  namespaces.removeAll();
});

describe('a held port', () => {
  test.each([
    ['tcp', '0.0.0.0'],
    ['udp', '0.0.0.0'],
    ['tcp', '::'],
    ['udp', '127.0.0.1'],
  ] as const)('%s on %s is refused to others until it is closed, in its own namespace only', (protocol, address) => {
    const held = holdPort({ netns, protocol, address, port: PORT });
    const again = () => holdPort({ netns, protocol, address, port: PORT });
    expect(again).toThrow(expect.objectContaining({ code: 'EADDRINUSE' }));
    expect(again).toThrow(`hold port ${PORT}/${protocol} of ${address}`);
    holdPort({ netns, protocol, address, port: PORT + 1 }).close();
    const other = openNamespace(namespaces.make('elsewhere'));
    holdPort({ netns: other, protocol, address: address === '::' ? '::' : '0.0.0.0', port: PORT }).close();
    other.close();
    held.close();
    held.close();
    again().close();
  });

  test('is told apart by protocol and by family', () => {
    const places = [
      { protocol: 'tcp', address: '0.0.0.0' },
      { protocol: 'tcp', address: '::' },
      { protocol: 'udp', address: '0.0.0.0' },
      { protocol: 'udp', address: '::' },
    ] as const;
    const held = places.map((place) => holdPort({ netns, ...place, port: PORT }));
    for (const one of held) one.close();
  });

  test('is refused by what is wrong with it', () => {
    const ask = (address: string, port: number) => () => holdPort({ netns, protocol: 'tcp', address, port });
    expect(ask('192.0.2.9', PORT)).toThrow(expect.objectContaining({ code: 'EADDRNOTAVAIL' }));
    expect(ask('no address', PORT)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    for (const port of [0, -1, 65_536, 1.5, NaN]) expect(ask('0.0.0.0', port)).toThrow(RangeError);
  });

  test('nobody connects to, and what is sent there is not kept', () => {
    const held = [holdPort({ netns, protocol: 'tcp', address: '0.0.0.0', port: PORT })];
    held.push(holdPort({ netns, protocol: 'udp', address: '0.0.0.0', port: PORT }));
    const connect = () => inNamespace(path, 'socat', '-u', 'OPEN:/dev/null', `TCP:127.0.0.1:${PORT}`);
    expect(connect).toThrow(/refused/);
    inNamespace(path, 'sh', '-c', `echo lost | socat -u - UDP:127.0.0.1:${PORT}`);
    const queued = /^\s*\d+: \S+:1F90 \S+ \S+ \w+:(\w+)/m.exec(inNamespace(path, 'cat', '/proc/net/udp'))?.[1];
    expect(queued).toBe('00000000');
    for (const one of held) one.close();
  });

  test('may be had beside connections that are closing, when asked for so', async () => {
    const place = { netns, protocol: 'tcp', address: '127.0.0.1', port: PORT } as const;
    // Two acknowledgements that cross at the end are answered by a reset, which would end TIME_WAIT (RFC 1337).
    inNamespace(path, 'sysctl', '-qw', 'net.ipv4.tcp_rfc1337=1');
    const server = spawn('nsenter', [`--net=${path}`, 'socat', '-u', 'OPEN:/dev/null', `TCP-LISTEN:${PORT},reuseaddr`]);
    const ended = once(server, 'exit');
    // Who closes first keeps the port for a minute.
    inNamespace(path, 'socat', '-u', `TCP:127.0.0.1:${PORT},retry=50,interval=0.1`, 'OPEN:/dev/null,wronly');
    await ended;
    expect(() => holdPort(place)).toThrow(expect.objectContaining({ code: 'EADDRINUSE' }));
    holdPort({ ...place, reuse: true }).close();
  });
});

test('a map of translations leads what comes to a port, and nft reads it as one', async () => {
  const service = [keyField.from('meta l4proto'), keyField.from('th dport')];
  const key = concatenate(service, [integer(6, 1), integer(PORT, 2)]);
  const value = concatenate(DNAT_TARGETS.ip, [addressHex('127.0.0.1'), integer(PORT + 1, 2)]);
  const nft = NftSocket.open({ netns: path });
  const table = {
    ...({ family: 'inet', name: 'ports' } as const),
    sets: [
      { name: 'ports', key: service, flags: ['map' as const], data: [...DNAT_TARGETS.ip], elements: [{ key, value }] },
    ],
    chains: [
      {
        name: 'out',
        base: { type: 'nat', hook: 'output', priority: -100, policy: 'accept' } as const,
        rules: [rule(match.nfproto('ipv4'), match.fibType('daddr', 'local'), dnatByMap('ip', 'ports', service))],
      },
      {
        name: 'in',
        base: { type: 'filter', hook: 'input', priority: 0, policy: 'accept' } as const,
        rules: [rule(match.ctStatus('dnat', 'snat'), { kind: 'counter' })],
      },
    ],
  };
  try {
    await nft.replaceTable(table);
    expect(await nft.readTable({ family: 'inet', name: 'ports' })).toEqual(table);
    const listed = inNamespace(path, 'nft', 'list', 'ruleset');
    expect(listed).toContain('fib daddr type local dnat ip to meta l4proto . th dport map @ports');
    expect(listed).toMatch(/tcp \. 8080 : 127\.0\.0\.1 \. 8081/);
    expect(listed).toContain('ct status snat,dnat');
    const held = holdPort({ netns, protocol: 'tcp', address: '0.0.0.0', port: PORT });
    const words = ['socat', '-u', 'SYSTEM:echo led', `TCP-LISTEN:${PORT + 1}`];
    const server = spawn('nsenter', [`--net=${path}`, ...words]);
    const ended = once(server, 'exit');
    const client = ['socat', '-u', `TCP:127.0.0.1:${PORT},retry=50,interval=0.1`, '-'];
    expect(inNamespace(path, client[0]!, ...client.slice(1))).toBe('led\n');
    await ended;
    held.close();
  } finally {
    nft.close();
  }
});
