/** What is on a host's disk before it first comes up: the configuration of its daemons. */
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { stringify } from 'yaml';
import { hostPort } from '../model/address/address.ts';
import { controlGroup } from './control-groups.ts';
import { diskDirectory } from './state.ts';
import type { HostState, LabState } from './state.ts';
import { address4, address6 } from './underlay.ts';

/** Where daemons look for certificates, on every host. */
const PKI = '/var/lib/weft/pki';

export function pkiDirectory(lab: LabState, host: HostState): string {
  return `${diskDirectory(lab.name, host.name)}${PKI}`;
}

export function hostAddress(lab: LabState, host: HostState): string {
  return lab.underlay === 'ipv6' ? address6(host.number) : address4(host.number);
}

/** The hosts that run etcd. */
export function members(lab: LabState): HostState[] {
  return lab.hosts.slice(0, lab.etcd);
}

export async function provision(lab: LabState, host: HostState): Promise<void> {
  const files: Record<string, string> = {
    hosts: hostsFile(lab),
    'weft/weft.yaml': stringify(weftConfiguration(lab, host)),
    'docker/daemon.json': json(engineConfiguration(lab, host)),
  };
  if (lab.etcd === 3 && members(lab).includes(host)) files['weft/etcd.json'] = json(etcdConfiguration(lab, host));
  // the layer that boot.ts lays over /etc
  const layer = `${diskDirectory(lab.name, host.name)}/changes/etc/upper`;
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(`${layer}/${path}`), { recursive: true, mode: 0o755 });
    await writeFile(`${layer}/${path}`, content, { mode: path === 'hosts' ? 0o644 : 0o600 });
  }
  await chmod(layer, 0o755);
}

function hostsFile(lab: LabState): string {
  const named = lab.hosts.flatMap((host) =>
    [address4(host.number), address6(host.number)].map((a) => `${a} ${host.name}`),
  );
  return `${['127.0.0.1 localhost', '::1 localhost', ...named].join('\n')}\n`;
}

function weftConfiguration(lab: LabState, host: HostState): object {
  const managed = lab.etcd === 1 && host.number === 1;
  return {
    node: { name: host.name },
    underlay: { address: hostAddress(lab, host) },
    store: managed
      ? { mode: 'managed' }
      : { mode: 'external', endpoints: members(lab).map((member) => etcdUrl(lab, member, 2379)) },
    pki: PKI,
    log: { level: 'info' },
  };
}

function engineConfiguration(lab: LabState, host: HostState): object {
  return {
    'cgroup-parent': `/${controlGroup(lab.name, host.name)}`,
    // no systemd runs on a host
    'exec-opts': ['native.cgroupdriver=cgroupfs'],
    'storage-driver': 'overlay2',
    'shutdown-timeout': 2,
  };
}

/** A member of an etcd of the user's own, as far as weft can tell: mutual TLS for clients and between members. */
function etcdConfiguration(lab: LabState, host: HostState): object {
  const security = {
    'trusted-ca-file': `${PKI}/ca.crt`,
    'cert-file': `${PKI}/member.crt`,
    'key-file': `${PKI}/member.key`,
    'client-cert-auth': true,
  };
  const peerUrl = etcdUrl(lab, host, 2380);
  return {
    name: host.name,
    'data-dir': '/var/lib/weft/lab-etcd',
    'listen-client-urls': `https://127.0.0.1:2379,${etcdUrl(lab, host, 2379)}`,
    'advertise-client-urls': etcdUrl(lab, host, 2379),
    'listen-peer-urls': peerUrl,
    'initial-advertise-peer-urls': peerUrl,
    'initial-cluster': members(lab)
      .map((member) => `${member.name}=${etcdUrl(lab, member, 2380)}`)
      .join(','),
    'initial-cluster-state': 'new',
    'initial-cluster-token': `weft-lab-${lab.name}`,
    'client-transport-security': security,
    'peer-transport-security': security,
    'pre-vote': true,
    logger: 'zap',
    'log-level': 'warn',
    'log-outputs': ['stderr'],
  };
}

function etcdUrl(lab: LabState, host: HostState, port: number): string {
  return `https://${hostPort(hostAddress(lab, host), port)}`;
}

function json(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
