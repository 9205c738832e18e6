/** A host's state directory on a file system so small that it can be filled. The etcd member of the lab keeps its own place. */
import type { LabHost } from '../../src/lab/lab.ts';
import { run } from '../support/docker.ts';

const STATE = '/var/lib/weft';
const [SMALL, REAL] = ['/run/small', '/run/real'];
const MEMBER = 'lab-etcd';
const MEGABYTES = 24;

const COPY = `copy() { (cd "$1" && tar c --exclude ./${MEMBER} .) | tar x -C "$2"; }`;

const MOUNT = `
set -e
${COPY}
mkdir -p ${SMALL} ${REAL}
mount --bind ${STATE} ${REAL}
mount -t tmpfs -o size=${MEGABYTES}m,mode=700 tmpfs ${SMALL}
copy ${REAL} ${SMALL}
mkdir -p ${SMALL}/${MEMBER} ${REAL}/${MEMBER}
mount --bind ${REAL}/${MEMBER} ${SMALL}/${MEMBER}
mount --rbind ${SMALL} ${STATE}
`;

const UNMOUNT = `
set -e
${COPY}
umount -l ${STATE}
umount ${SMALL}/${MEMBER}
find ${REAL} -mindepth 1 -maxdepth 1 ! -name ${MEMBER} -exec rm -rf {} +
copy ${SMALL} ${REAL}
umount ${SMALL} ${REAL}
`;

/** While weftd does not run. */
export async function mountSmallDisk(host: LabHost): Promise<void> {
  await run(host, 'sh', '-c', MOUNT);
}

/** While weftd does not run; what it wrote meanwhile is kept. */
export async function unmountSmallDisk(host: LabHost): Promise<void> {
  await run(host, 'sh', '-c', UNMOUNT);
}

/** To the last byte. */
export async function fill(host: LabHost): Promise<void> {
  // the second, smaller pieces take what the first could not
  for (const [name, size] of [
    ['filler', '64k'],
    ['crumbs', '1'],
  ] as const) {
    const { exitCode, stderr } = await host.exec([
      'dd',
      'if=/dev/zero',
      `of=${STATE}/${name}`,
      `bs=${size}`,
      'count=1M',
    ]);
    if (exitCode === 0 || !stderr.includes('No space left')) throw new Error(`the disk is not full: ${stderr}`);
  }
}

export async function makeRoom(host: LabHost): Promise<void> {
  await run(host, 'rm', `${STATE}/filler`, `${STATE}/crumbs`);
}
