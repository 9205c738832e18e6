/** The demo as the README promises it, under a name of its own. */
import { execa } from 'execa';
import { afterAll, describe, expect, it } from 'vitest';
import { labDown, openLab } from '../../src/lab/lab.ts';

const NAME = `demo-${process.pid}`;
const DEMO = ['dist/lab/demo.js', NAME];

afterAll(async () => {
  await labDown(NAME);
});

describe('npm run demo', () => {
  it('shows traffic and isolation, leaves the lab up, and starts afresh the second time', async () => {
    const first = await execa('node', DEMO, { timeout: 120_000 });
    expect(first.stdout.match(/^ +ok /gm)).toHaveLength(8);
    expect(first.stdout).toContain(`weft lab exec --name ${NAME} host1 -- weft status`);
    const second = await execa('node', DEMO, { timeout: 120_000 });
    expect(second.stdout).toContain('taking down the demo of before');
    expect(second.stdout.match(/^ +ok /gm)).toHaveLength(8);
    const lab = await openLab(NAME);
    const { stdout } = await lab
      .host(2)
      .exec(['docker', 'exec', 'acme-web', 'ping', '-c', '1', '-W', '2', '10.10.0.10']);
    expect(stdout).toContain(' 0% packet loss');
  });

  it('refuses without root, naming the command', async () => {
    // Nobody, who may read all the same: a checkout may stand where only its owner has a way in.
    const nobody = ['--reuid=65534', '--regid=65534', '--clear-groups'];
    const reading = ['--inh-caps=+dac_read_search', '--ambient-caps=+dac_read_search'];
    const command = [...nobody, ...reading, process.execPath, ...DEMO];
    const refused = await execa('setpriv', command, { reject: false, timeout: 30_000 });
    expect([refused.exitCode, refused.stderr]).toEqual([1, expect.stringContaining('sudo npm run demo')]);
  });
});
