/** Nothing of weft's is in clear beyond loopback: what listens on each host, and what crosses the underlay. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EndpointView } from '../../src/control/port.ts';
import { labUp } from '../../src/lab/lab.ts';
import type { Lab, LabHost } from '../../src/lab/lab.ts';
import { json, run } from '../support/docker.ts';
import { UnderlayCapture } from '../support/underlay-capture.ts';
import { until } from '../support/until.ts';

const VXLAN = 14789;
/** of the API: a client without a certificate gets as far as Join, with a token (test/e2e/join.test.ts) */
const API = 7781;

let lab: Lab;

beforeAll(async () => {
  lab = await labUp({ name: `clear-${process.pid}`, hosts: 2, engine: 'none' });
  await run(lab.host(1), 'weft', 'tenant', 'create', 'zebra');
  await run(lab.host(1), 'weft', 'network', 'create', 'zebra/quagga', '--subnet', '10.10.0.0/16');
  for (const host of lab.hosts) await attach(host, `okapi-${host.name}`);
});

afterAll(async () => {
  await lab.down();
});

async function attach(host: LabHost, name: string): Promise<void> {
  await run(host, 'ip', 'netns', 'add', name);
  await run(host, 'weft', 'endpoint', 'attach', 'zebra/quagga', '--netns', `/run/netns/${name}`, '--name', name);
}

interface Listener {
  protocol: string;
  address: string;
  port: number;
}

async function listeners(host: LabHost): Promise<Listener[]> {
  const lines = (await run(host, 'ss', '-Hlntu')).split('\n').filter(Boolean);
  return lines.map((line) => {
    const [protocol = '', , , , local = ''] = line.trim().split(/\s+/);
    const at = local.lastIndexOf(':');
    return { protocol, address: local.slice(0, at).replace(/%.*$/, ''), port: Number(local.slice(at + 1)) };
  });
}

const isLoopback = ({ address }: Listener) => /^127\.|^\[::1\]$|^\[::ffff:127\./.test(address);

/** What a stranger on another host is answered: to words in clear, and in a handshake without a certificate. */
const PROBE = `
const [kind, host, port] = process.argv.slice(1);
const { connect } = require(kind === 'tls' ? 'node:tls' : 'node:net');
const socket = connect({ host, port: Number(port), rejectUnauthorized: false, ALPNProtocols: ['h2'] });
const answer = { connected: false, secure: false, protocol: '', data: '', error: '' };
const end = () => { console.log(JSON.stringify(answer)); process.exit(0); };
socket.on('connect', () => { answer.connected = true; if (kind === 'net') socket.write('GET /version HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n'); });
socket.on('secureConnect', () => { answer.secure = true; answer.protocol = socket.getProtocol(); });
socket.on('data', (data) => { answer.data += data.toString('latin1'); });
socket.on('error', (error) => { answer.error = error.code ?? error.message; end(); });
socket.on('close', end);
setTimeout(end, 2_000);
`;

interface Answer {
  connected: boolean;
  secure: boolean;
  protocol: string;
  data: string;
  error: string;
}

async function probe(from: LabHost, kind: 'net' | 'tls', { address, port }: Listener): Promise<Answer> {
  return JSON.parse(await run(from, 'node', '-e', PROBE, kind, address, String(port))) as Answer;
}

describe('beyond loopback', () => {
  it('nothing but VXLAN, etcd and the API listens', async () => {
    for (const host of lab.hosts) {
      const beyond = (await listeners(host)).filter((one) => !isLoopback(one));
      expect(beyond.filter(({ protocol }) => protocol === 'udp').map(({ port }) => port)).toSatisfy((ports: number[]) =>
        ports.every((port) => port === VXLAN),
      );
      const tcp = beyond.filter(({ protocol }) => protocol === 'tcp');
      // on the underlay's address alone, not on whatever the host has
      expect(tcp.map(({ address }) => address)).toEqual(tcp.map(() => host.vtep));
      const ports = tcp.map(({ port }) => port).sort();
      expect(ports).toEqual(host.name === 'host1' ? [2379, 2380, API] : [API]);
    }
  });

  it('no listener answers a stranger in clear, and etcd none without a certificate', async () => {
    for (const [host, other] of [lab.hosts, [...lab.hosts].reverse()] as [LabHost, LabHost][]) {
      const tcp = (await listeners(host)).filter((one) => one.protocol === 'tcp' && !isLoopback(one));
      for (const listener of tcp) {
        const where = `${host.name}:${listener.port}`;
        const clear = await probe(other, 'net', listener);
        expect(clear.connected, where).toBe(true);
        // an alert of TLS, Go's hint that this is an HTTPS server, or nothing
        const isAlert = clear.data.startsWith(String.fromCharCode(0x15, 3));
        if (!isAlert) expect(clear.data, where).toMatch(/^(HTTP\/1\.0 400 .*HTTPS server\.\n)?$/s);
        const stranger = await probe(other, 'tls', listener);
        if (listener.port === API) expect(stranger.protocol, where).toBe('TLSv1.3');
        else expect([stranger.error, stranger.data], where).toEqual([expect.stringMatching(/CERTIFICATE|ALERT/), '']);
      }
    }
  });

  it('no name, key, certificate or token crosses the underlay while endpoints come and go', async () => {
    const capture = await UnderlayCapture.start(lab.switchPid);
    try {
      const [first, second] = [lab.host(1), lab.host(2)];
      await run(second, 'weft', 'tenant', 'create', 'okapi');
      await run(second, 'weft', 'network', 'create', 'okapi/tapir', '--subnet', '10.20.0.0/16');
      await attach(second, 'wildebeest');
      const token = (await run(second, 'weft', 'token', 'create', '--role', 'node')).trim();
      await run(second, 'weft', 'store', 'snapshot', '/var/lib/weft/copy.db');
      const remote = await json<EndpointView>(first, 'weft', 'endpoint', 'inspect', 'zebra/quagga/okapi-host1');
      const target = remote.addresses[0]?.split('/')[0] ?? '';
      const talks = () => reached(second, 'wildebeest', target);
      await until(talks, { what: 'an endpoint to reach one of the other host', deadline: 30_000, every: 250 });
      await run(second, 'weft', 'endpoint', 'detach', 'zebra/quagga/wildebeest');
      await run(second, 'weft', 'network', 'delete', 'okapi/tapir');
      // what proves that the capture would have seen it
      await run(second, 'sh', '-c', `printf canary-in-clear | socat -u - UDP:${first.vtep}:9`);
      await until(() => capture.text.includes('canary-in-clear'), { what: 'the last packet to be captured' });
      const { text } = capture;
      const mustNot = [
        'zebra',
        'quagga',
        'okapi',
        'tapir',
        'wildebeest',
        '/weft/v1',
        'networks/',
        'BEGIN CERT',
        'BEGIN PRIV',
        token,
      ];
      expect(mustNot.filter((word) => text.includes(word))).toEqual([]);
      // TLS application data, of etcd's port; and of the secret in the token no piece either
      expect(text).toContain(String.fromCharCode(0x17, 3, 3));
      for (let at = 0; at + 16 <= token.length; at += 8) expect(text).not.toContain(token.slice(at, at + 16));
    } finally {
      await capture.stop();
    }
  });
});

async function reached(host: LabHost, namespace: string, address: string): Promise<boolean> {
  const result = await host.exec(['nsenter', `--net=/run/netns/${namespace}`, 'ping', '-c', '1', '-W', '1', address]);
  return result.exitCode === 0;
}
