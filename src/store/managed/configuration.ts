/** What a managed etcd is told. JSON, which etcd's YAML reader takes. */
import { isIPv6 } from 'node:net';

export interface ManagedEtcdSettings {
  /** the member's name: the node's */
  name: string;
  /** the host's address: clients and peers of other hosts come here; loopback is added for this host's own */
  address: string;
  clientPort?: number;
  peerPort?: number;
  /** paths of PEM files; etcd reads them again at each handshake, so that renewed ones need no restart */
  tls: { ca: string; cert: string; key: string; crl?: string };
  /** all members at first start; this one alone when left out */
  initialCluster?: { name: string; peerUrl: string }[];
  initialClusterState?: 'new' | 'existing';
  /** bytes */
  quota?: number;
}

const SECOND = 1_000_000_000;
export const DEFAULT_QUOTA = 2 * 1024 ** 3;

export function etcdUrl(address: string, port: number): string {
  return `https://${isIPv6(address) ? `[${address}]` : address}:${port}`;
}

export function clientUrls(settings: Pick<ManagedEtcdSettings, 'address' | 'clientPort'>): string[] {
  const port = settings.clientPort ?? 2379;
  return [...new Set(['127.0.0.1', settings.address])].map((address) => etcdUrl(address, port));
}

/** No listener in clear: neither clients nor peers get in without a certificate of the cluster's CA. */
export function etcdConfiguration(settings: ManagedEtcdSettings, dataDirectory: string): string {
  const { name, address, tls } = settings;
  const peerUrl = etcdUrl(address, settings.peerPort ?? 2380);
  const members = settings.initialCluster ?? [{ name, peerUrl }];
  const security = {
    'trusted-ca-file': tls.ca,
    'cert-file': tls.cert,
    'key-file': tls.key,
    'client-cert-auth': true,
  };
  const configuration = {
    name,
    'data-dir': dataDirectory,
    'listen-client-urls': clientUrls(settings).join(','),
    'advertise-client-urls': etcdUrl(address, settings.clientPort ?? 2379),
    'listen-peer-urls': peerUrl,
    'initial-advertise-peer-urls': peerUrl,
    'initial-cluster': members.map((member) => `${member.name}=${member.peerUrl}`).join(','),
    'initial-cluster-state': settings.initialClusterState ?? 'new',
    'initial-cluster-token': 'weft',
    'client-transport-security': security,
    'peer-transport-security': security,
    // The documented settings of a file have none for it, only flags do: these are the fields that those flags set, in
    // 3.4 and 3.5. Whether it counts is tested (test/contract/managed-etcd-revocation.test.ts).
    ...(tls.crl && { ClientTLSInfo: { CRLFile: tls.crl }, PeerTLSInfo: { CRLFile: tls.crl } }),
    'auto-compaction-mode': 'periodic',
    'auto-compaction-retention': '1h',
    'quota-backend-bytes': settings.quota ?? DEFAULT_QUOTA,
    // a number, in nanoseconds: what 3.4 takes from a file. Our own clients ping each second or two
    'grpc-keepalive-min-time': SECOND,
    // a member that was cut off does not depose the leader when it comes back
    'pre-vote': true,
    'enable-grpc-gateway': false,
    logger: 'zap',
    'log-level': 'warn',
    'log-outputs': ['stderr'],
  };
  return `${JSON.stringify(configuration, null, 2)}\n`;
}
