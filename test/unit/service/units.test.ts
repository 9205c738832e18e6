/** The systemd units: accepted by systemd, and free of what would take the tenants' namespaces away. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const UNITS = ['weftd.service', 'weftd-docker.socket', 'weft-etcd.service'];
const read = (name: string) => readFileSync(new URL(`../../../plugins/systemd/${name}`, import.meta.url), 'utf8');
const settings = (name: string) =>
  new Map(
    read(name)
      .split('\n')
      .filter((line) => /^[A-Z]/.test(line))
      .map((line): [string, string] => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  );

/** systemd.exec(5): each of these gives the service a mount namespace. */
const MAKE_MOUNT_NAMESPACE =
  /^(Private(Tmp|Devices|Mounts|IPC)|Protect(System|Home|Kernel\w+|ControlGroups|Proc|Hostname)|(ReadWrite|ReadOnly|Inaccessible|Exec|NoExec)Paths|Bind(ReadOnly)?Paths|TemporaryFileSystem|RootDirectory|RootImage|MountAPIVFS|PrivateNetwork|DynamicUser)$/;

describe('the systemd units', () => {
  it('are accepted by systemd', () => {
    const folder = mkdtempSync(join(tmpdir(), 'weft-units-'));
    try {
      for (const name of UNITS) {
        // Neither daemon need be installed on the machine that runs the tests.
        writeFileSync(join(folder, name), read(name).replaceAll(/\/usr\/bin\/(weftd|etcd)/g, '/bin/true'));
      }
      const result = spawnSync('systemd-analyze', ['verify', '--man=no', ...UNITS.map((name) => join(folder, name))], {
        encoding: 'utf8',
      });
      const complaints = result.stderr.split('\n').filter((line) => /weft/.test(line));
      expect([result.status, complaints]).toEqual([0, []]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('make no mount namespace, keep the namespaces and spare etcd', () => {
    const service = settings('weftd.service');
    expect([...service.keys()].filter((key) => MAKE_MOUNT_NAMESPACE.test(key))).toEqual([]);
    expect(service.get('KillMode')).toBe('process');
    expect(service.get('RuntimeDirectoryPreserve')).toBe('yes');
    expect(service.get('Before')).toContain('docker.service');
  });

  it('keep etcd running by itself, as a user of its own that sees only its own folder', () => {
    const service = settings('weft-etcd.service');
    expect(Object.fromEntries(service)).toMatchObject({
      User: 'weft-etcd',
      Restart: 'always',
      StartLimitIntervalSec: '0',
      ExecStart: '/usr/bin/etcd --config-file /var/lib/weft/etcd/etcd.yaml',
      ProtectSystem: 'strict',
      TemporaryFileSystem: '/var/lib/weft:ro',
      BindPaths: '/var/lib/weft/etcd',
      CapabilityBoundingSet: '',
      NoNewPrivileges: 'yes',
    });
    // it must neither stop with weftd nor be started again because weftd was
    for (const key of ['PartOf', 'BindsTo', 'Requires', 'Requisite']) expect(service.has(key)).toBe(false);
    expect(read('weft.sysusers')).toMatch(/^u weft-etcd /m);
  });

  it('leave etcd little of the host', () => {
    const folder = mkdtempSync(join(tmpdir(), 'weft-units-'));
    try {
      const unit = join(folder, 'weft-etcd.service');
      writeFileSync(unit, read('weft-etcd.service').replaceAll('/usr/bin/etcd', '/bin/true'));
      // 10 is a unit without any protection
      const result = spawnSync('systemd-analyze', ['security', '--offline=yes', '--threshold=20', unit], {
        encoding: 'utf8',
      });
      expect([result.status, result.stderr]).toEqual([0, '']);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('open Docker’s socket where Docker looks, for root alone, under the name that weftd asks for', () => {
    const socket = settings('weftd-docker.socket');
    expect(socket.get('ListenStream')).toBe('/run/docker/plugins/weft.sock');
    expect(socket.get('SocketMode')).toBe('0600');
    expect(socket.get('FileDescriptorName')).toBe('docker');
  });
});
