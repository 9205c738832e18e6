/** A published port of SCTP: the packets of an association's begin, by raw frames, since most kernels have no SCTP sockets. */
import { existsSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { macFor } from '../../src/model/address/mac.ts';
import { Forger } from '../support/forge.ts';
import { FrameCapture } from '../support/frame-capture.ts';
import { ethernet, ipv4, ipv6 } from '../support/frames.ts';
import { inside } from '../support/host-namespaces.ts';
import { crc32c, init, initAck } from '../support/sctp.ts';
import { until } from '../support/until.ts';
import { OUTSIDE, RoutingCluster } from './routing-cluster.ts';

/** Conntrack without it translates no port of SCTP. */
const TRACKED = existsSync('/proc/sys/net/netfilter/nf_conntrack_sctp_timeout_established');
const VNI = 0x120000;
const [CLIENT_PORT, PORT, HOST_PORT, SCTP] = [5_000, 3_868, 13_868, 132];
const TAGS = { client: 0x0102_0304, server: 0x0506_0708 };
const SERVER = { ipv4: '10.10.0.10', ipv6: 'fd00:10::10' };
const GATEWAY = { ipv4: '10.10.0.1', ipv6: 'fd00:10::1' };
const FAMILIES = ['ipv4', 'ipv6'] as const;

let cluster: RoutingCluster;
let forger: Forger;

beforeEach(() => {
  cluster = new RoutingCluster('sctp');
  forger = new Forger();
  cluster.states.tenant('acme');
  const subnets = [
    { cidr: '10.10.0.0/16', gateway: GATEWAY.ipv4, reserved: [] },
    { cidr: 'fd00:10::/64', gateway: GATEWAY.ipv6, reserved: [] },
  ];
  cluster.states.network('acme', 'web', { vni: VNI, subnets });
});

afterEach(async () => {
  forger.remove();
  await cluster.close();
});

function macOf(path: string): string {
  const [link] = JSON.parse(inside(path, 'ip', '-j', 'link', 'show', 'eth0')) as { address: string }[];
  return link!.address;
}

interface Ends {
  from: string;
  to: string;
}

/** An IP packet; and what of it shows that it arrived, from the addresses on. */
function datagram(
  family: 'ipv4' | 'ipv6',
  ends: Ends,
  payload: Buffer,
): { type: number; bytes: Buffer; trace: Buffer } {
  if (family === 'ipv4') {
    const bytes = ipv4({ ...ends, protocol: SCTP }, payload);
    return { type: 0x0800, bytes, trace: bytes.subarray(12) };
  }
  const bytes = ipv6({ ...ends, next: SCTP }, payload);
  return { type: 0x86dd, bytes, trace: bytes.subarray(8) };
}

/** Sent until it is seen there, as it is to look there. */
async function arrives(
  frame: { path: string; macs: Ends; packet: ReturnType<typeof datagram> },
  there: { path: string; trace: Buffer },
): Promise<void> {
  const capture = await FrameCapture.start(['nsenter', `--net=${there.path}`], 'eth0');
  try {
    const tried = () => {
      forger.send(['nsenter', `--net=${frame.path}`], [ethernet(frame.macs, frame.packet.type, frame.packet.bytes)]);
      return capture.saw(there.trace);
    };
    await until(tried, { what: 'the packet as it is to arrive', every: 200 });
  } finally {
    await capture.stop();
  }
}

describe('a published port of SCTP', () => {
  it.skipIf(!TRACKED)('is led to its container and back, with true checksums', async () => {
    // RFC 3720's own example: the checksums looked for are the standard's
    expect(crc32c(Buffer.alloc(32))).toBe(0x8a91_36aa);
    cluster.start(1);
    const ports = [{ protocol: 'sctp' as const, address: '', hostPort: HOST_PORT, port: PORT }];
    const addresses = [`${SERVER.ipv4}/16`, `${SERVER.ipv6}/64`];
    const container = cluster.endpoint('acme-web', 'a', { host: 1, addresses, ports });
    await cluster.publish();
    for (const family of FAMILIES) {
      const host = cluster.address(1, family);
      const first = (to: number) => init({ from: CLIENT_PORT, to }, TAGS.client);
      const asked = datagram(family, { from: OUTSIDE[family], to: host }, first(HOST_PORT));
      const macs = { from: macOf(cluster.outside), to: macOf(cluster.hostPath(1)) };
      const seen = datagram(family, { from: OUTSIDE[family], to: SERVER[family] }, first(PORT));
      await arrives({ path: cluster.outside, macs, packet: asked }, { path: container, trace: seen.trace });

      const answer = (from: number) => initAck({ from, to: CLIENT_PORT }, { other: TAGS.client, own: TAGS.server });
      const answered = datagram(family, { from: SERVER[family], to: OUTSIDE[family] }, answer(PORT));
      const back = { from: macOf(container), to: macFor(VNI, GATEWAY.ipv4) };
      const heard = datagram(family, { from: host, to: OUTSIDE[family] }, answer(HOST_PORT));
      await arrives({ path: container, macs: back, packet: answered }, { path: cluster.outside, trace: heard.trace });
    }
  });
});
