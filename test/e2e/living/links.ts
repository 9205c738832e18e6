/** The links that weft has in a host's namespace, and a systemd-networkd that would have them. */
import type { LabHost } from '../../../src/lab/lab.ts';
import { run } from '../../support/docker.ts';
import { until } from '../../support/until.ts';

/** Addresses and routes, as text. */
export function linksOfWeft(host: LabHost): Promise<string> {
  const script = `for family in 4 6; do
      ip -$family -o address show | grep -o 'w[uc].*' | tr -s ' '; ip -$family route show | grep ' dev w[uc]'
    done | sort`;
  return run(host, 'sh', '-ec', script);
}

/**
 * Runs systemd-networkd, which is to have all links that begin as weft's do, and ends it after the body. It has no udev to
 * wait for where /sys is read-only. `line`: what it has said when it is done with them.
 */
export async function networkd(host: LabHost, line: RegExp, body: () => Promise<void>): Promise<void> {
  const files = `printf '[Match]\\nName=w*\\n\\n[Network]\\nLinkLocalAddressing=no\\nIPv6AcceptRA=no\\n' >/etc/systemd/network/50-all.network
    mkdir -p /run/systemd/netif/links /run/systemd/netif/leases /run/systemd/netif/lldp
    chown -R systemd-network /run/systemd/netif`;
  await run(host, 'sh', '-ec', files);
  const script = 'mount -o remount,bind,ro /sys && exec /lib/systemd/systemd-networkd';
  const session = await host.spawn(['unshare', '--mount', 'sh', '-c', script]);
  let text = '';
  session.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()));
  try {
    await until(() => line.test(text), { what: `networkd: ${String(line)}`, deadline: 20_000 });
    await body();
  } finally {
    await session.kill('TERM');
  }
}
