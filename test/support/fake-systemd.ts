/**
 * As much of systemd as the managed etcd asks of it: a `systemctl` that shows, starts and stops one unit, and a loop that
 * starts what ended again. What the real one makes of the real unit is in test/e2e/systemd.test.ts.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { UnitEtcd } from '../../src/store/managed/unit.ts';

/** $0's folder holds `pid` while the process runs, `wanted` while it is to run, `active` until the loop has ended. */
const SYSTEMCTL = `#!/bin/sh
cd "$(dirname "$0")" || exit 1
while [ "\${1#-}" != "$1" ]; do shift; done
pid=$(cat pid 2>/dev/null || echo 0)
case $1 in
show)
  echo LoadState=loaded
  echo User=
  echo "MainPID=$pid"
  if [ -e active ]; then echo ActiveState=active; else echo ActiveState=inactive; fi
  echo SubState=
  echo Result=success
  ;;
start)
  [ -e active ] && exit 0
  touch wanted active
  setsid ./loop >/dev/null 2>&1 </dev/null &
  ;;
stop)
  rm -f wanted
  [ "$pid" = 0 ] || kill "$pid"
  ;;
esac
exit 0
`;

const LOOP = (command: string) => `#!/bin/sh
while [ -e wanted ]; do
  ${command} &
  echo $! >pid.new && mv pid.new pid
  wait $!
  rm -f pid
  [ -e wanted ] && sleep 0.2
done
rm -f active
`;

export async function fakeUnit(folder: string, dataDir: string): Promise<UnitEtcd> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'systemctl'), SYSTEMCTL, { mode: 0o755 });
  const command = `env -C ${dataDir} /usr/bin/etcd --config-file ${dataDir}/etcd.yaml`;
  await writeFile(join(folder, 'loop'), LOOP(command), { mode: 0o755 });
  return new UnitEtcd(join(folder, 'systemctl'), undefined);
}
