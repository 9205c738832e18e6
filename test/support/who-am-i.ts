/**
 * Who reaches whom, and by which address: a server that answers each TCP connection and each UDP datagram of both families
 * with its client's address, and a client that asks many of them at once. Both are programs of one line of arguments, since
 * they run inside other namespaces.
 */
import { execFile } from 'node:child_process';
import { canonicalAddress } from '../../src/model/address/address.ts';

/** Arguments: the ports. Prints "ready" once it listens on all. */
export const SERVER = `
  const net = require('node:net'), dgram = require('node:dgram');
  const ports = process.argv.slice(1).map(Number);
  const plain = (address) => address.replace(/^::ffff:/, '');
  const listening = ports.flatMap((port) => [
    new Promise((resolve) => {
      const server = net.createServer((socket) => {
        socket.on('error', () => undefined);
        socket.end(plain(socket.remoteAddress ?? ''));
      });
      server.listen(port, '::', resolve);
    }),
    // One for each family: a socket of both answers IPv4 from an address that source NAT does not expect.
    ...['udp4', 'udp6'].map((type) => new Promise((resolve) => {
      const socket = dgram.createSocket({ type, ipv6Only: type === 'udp6' });
      socket.on('message', (_, { address, port: from }) => socket.send(plain(address), from, address));
      socket.bind(port, resolve);
    })),
  ]);
  Promise.all(listening).then(() => console.log('ready'));`;

/** Defines askAll([wait, ...probes]): resolves with the answers, in order. */
export const ASK = `
  const askAll = (() => {
    const net = require('node:net'), dgram = require('node:dgram'), { execFile } = require('node:child_process');
    const ask = {
      TCP: ({ to, port }, wait, done) => {
        const socket = net.connect(port, to);
        let text = '';
        socket.on('data', (data) => (text += data)).on('error', () => done('')).on('close', () => done(text));
        // No answer is an answer here, and TCP gives up after minutes only.
        setTimeout(() => socket.destroy(), wait);
      },
      UDP: ({ to, port }, wait, done) => {
        const socket = dgram.createSocket(to.includes(':') ? 'udp6' : 'udp4');
        const end = (text) => { done(text); try { socket.close(); } catch {} };
        socket.on('message', (data) => end(String(data))).on('error', () => end(''));
        socket.send('x', port, to);
        // UDP itself never says that nobody answers.
        setTimeout(() => end(''), wait);
      },
      ICMP: ({ to, size = 56 }, wait, done) => {
        const options = ['-n', '-c', '1', '-s', String(size), '-W', String(Math.ceil(wait / 1000)), to];
        execFile('ping', options, (error) => done(error ? '' : 'answers'));
      },
    };
    return ([wait, ...probes]) =>
      Promise.all(probes.map((probe) => new Promise((done) => ask[probe.protocol](probe, wait, done))));
  })();`;

const CLIENT = `${ASK}
  askAll(JSON.parse(process.argv[1])).then((answers) => { console.log(JSON.stringify(answers)); process.exit(); });`;

export interface Probe {
  protocol: 'TCP' | 'UDP' | 'ICMP';
  to: string;
  /** not for ICMP */
  port?: number;
  /** of ICMP: bytes of data, by which it is told from others where it arrives */
  size?: number;
}

/** Words of a command line that asks all at once and waits `wait` ms for those that do not answer. */
export function probeCommand(node: string, probes: readonly Probe[], wait = 1_500): string[] {
  return [node, '-e', CLIENT, '--', JSON.stringify([wait, ...probes])];
}

/** By probe: the client's address as the server saw it, "answers" for ICMP, null for no answer. */
export function answersOf(stdout: string): (string | null)[] {
  return canonical(JSON.parse(stdout) as string[]);
}

export function canonical(answers: readonly string[]): (string | null)[] {
  return answers.map((text) => canonicalAddress(text) ?? (text === '' ? null : text));
}

/** From a namespace. */
export function probe(path: string, probes: readonly Probe[], wait?: number): Promise<(string | null)[]> {
  const words = [`--net=${path}`, ...probeCommand(process.execPath, probes, wait)];
  return new Promise((resolve, reject) => {
    execFile('nsenter', words, { timeout: 30_000 }, (error, stdout) => {
      if (error) reject(new Error('the client failed', { cause: error }));
      else resolve(answersOf(stdout));
    });
  });
}

/** All three protocols of both families. */
export function everyWay(to: { ipv4: string; ipv6: string }, port: number): Probe[] {
  return [to.ipv4, to.ipv6].flatMap((address) =>
    (['TCP', 'UDP', 'ICMP'] as const).map((protocol) => ({ protocol, to: address, port })),
  );
}
