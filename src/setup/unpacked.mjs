/**
 * Packages that the tests run in a lab's hosts and that must never be installed on the machine: a firewall manager would
 * guard its network from the next boot on. They are downloaded and unpacked into a folder, with whatever they need that is
 * not installed; a host of a lab lays it over its own /usr and /etc.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { must, say } from './run.mjs';

/** beside the labs' image */
const CACHE = '/var/cache/weft-lab';
const PACKAGES = ['firewalld'];
const APT_ENV = { DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' };

export async function unpackPackages() {
  for (const name of PACKAGES) {
    const folder = join(CACHE, name);
    if (existsSync(folder)) {
      say(`packages: ${name} is unpacked`);
    } else {
      say(`packages: unpacking ${name} into ${folder}`);
      await unpack(name, folder);
    }
  }
}

/** The folder appears as a whole or not at all. */
async function unpack(name, folder) {
  mkdirSync(CACHE, { recursive: true, mode: 0o755 });
  await must('apt-get', ['update', '-q'], { quiet: true, env: APT_ENV });
  const work = mkdtempSync(join(CACHE, 'unpacking-'));
  const [archives, root] = ['archives', 'root'].map((part) => join(work, part));
  try {
    for (const path of [archives, root]) mkdirSync(path, { mode: 0o755 });
    // The folder is root's: the user that apt downloads as otherwise cannot write there.
    const download = ['-q', '-o', 'APT::Sandbox::User=root', 'download', ...(await missingFor(name))];
    await must('apt-get', download, { quiet: true, cwd: archives, env: APT_ENV });
    for (const archive of readdirSync(archives)) await must('dpkg-deb', ['-x', join(archives, archive), root]);
    renameSync(root, folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** The package, and what it needs that is not installed. */
async function missingFor(name) {
  const args = ['-s', '-q', '-y', '--no-install-recommends', 'install', name];
  const simulated = await must('apt-get', args, { quiet: true, env: APT_ENV });
  const names = [...simulated.matchAll(/^Inst (\S+)/gm)].map((match) => match[1]);
  // None where the machine's owner has installed it.
  return names.length > 0 ? names : [name];
}
