/**
 * Debian packages. What is there already is left alone and costs no network; what is missing is installed without
 * recommendations, without removing anything and without starting a service: the engines and etcd of a lab are started
 * by the lab, and those of a node by whoever runs it.
 */

import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { must, run, say, SetupError } from './run.mjs';
import { withoutServices } from './services.mjs';

const NEEDED = [
  ...['docker.io', 'containerd', 'runc', 'tini', 'etcd-server', 'etcd-client'],
  ...['nftables', 'iptables', 'iproute2', 'util-linux', 'procps', 'conntrack'],
  ...['gcc', 'libc6-dev', 'make'],
  // For the tests and the image of the lab's containers.
  ...['busybox-static', 'iputils-ping', 'iperf3', 'socat', 'tcpdump', 'systemd', 'dbus'],
  // For the tests that set the clock of one daemon.
  'libfaketime',
  // For the worked examples of topology/.
  'docker-compose',
];
const APT_OPTIONS = ['-q', '-y', '-o', 'DPkg::Lock::Timeout=120', '--no-install-recommends'];
const APT_ENV = { DEBIAN_FRONTEND: 'noninteractive', NEEDRESTART_SUSPEND: '1', LC_ALL: 'C' };

export async function installPackages() {
  const needed = [...NEEDED, ...(headersStand() ? [] : ['libuv1-dev'])];
  const missing = await findMissing(needed);
  if (missing.length === 0) {
    say(`packages: all ${needed.length} there`);
  } else {
    say(`packages: installing ${missing.join(' ')}`);
    await must('apt-get', ['update', '-q'], { env: APT_ENV });
    await install(missing);
  }
  // From Debian 13 on the client is a package of its own, which docker.io only recommends.
  if (!existsSync('/usr/bin/docker')) await install(['docker-cli']);
}

/** Node's own headers bring libuv's; without them the addon is built against Debian's (native/build.mjs). */
function headersStand() {
  return existsSync(join(dirname(dirname(process.execPath)), 'include', 'node', 'uv.h'));
}

async function findMissing(packages) {
  const { output } = await run('dpkg-query', ['-W', '-f', '${db:Status-Status} ${Package}\n', ...packages], {
    quiet: true,
  });
  const installed = new Set(
    output
      .split('\n')
      .filter((line) => line.startsWith('installed '))
      .map((line) => line.slice('installed '.length)),
  );
  return packages.filter((name) => !installed.has(name));
}

async function install(packages) {
  const simulated = await must('apt-get', ['-s', ...APT_OPTIONS, 'install', ...packages], {
    quiet: true,
    env: APT_ENV,
  });
  const removed = [...simulated.matchAll(/^Remv (\S+)/gm)].map((match) => match[1]);
  if (removed.length > 0) {
    throw new SetupError(
      `installing ${packages.join(' ')} would remove ${removed.join(' ')}; nothing was changed. ` +
        'Remove it yourself if you can do without it, then run npm run setup again',
    );
  }
  await withoutServices(() =>
    must('apt-get', [...APT_OPTIONS, '--no-remove', 'install', ...packages], { env: APT_ENV }),
  );
}
