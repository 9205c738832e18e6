/**
 * weftd ends in the middle of each call of Docker, and is started again. Docker's retry has lost its body, so that what the
 * user asked for may fail; what stood before stands on, and what was begun is gone in the end.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Failpoint } from '../../src/control/failpoints.ts';
import { labDown, labUp } from '../../src/lab/lab.ts';
import type { ExecResult, Lab, LabHost } from '../../src/lab/lab.ts';
import { run } from '../support/docker.ts';
import { standing } from '../support/standing.ts';
import { until } from '../support/until.ts';

const LAB = 'e2e-calls';
let lab: Lab;
let before: string[];

beforeAll(async () => {
  lab = await labUp({ name: LAB, hosts: 2, engine: 'docker' });
  await run(lab.host(1), 'weft', 'tenant', 'create', 'acme');
  await run(lab.host(1), 'weft', 'network', 'create', 'acme/web', '--subnet', '10.5.0.0/16');
  const hasNetwork = async (host: LabHost) =>
    (await host.exec(['docker', 'network', 'inspect', 'acme.web'])).exitCode === 0;
  await until(async () => (await Promise.all(lab.hosts.map(hasNetwork))).every(Boolean), {
    what: 'the network to be in both engines',
    deadline: 30_000,
  });
  for (const n of [1, 2]) {
    await run(lab.host(n), 'ip', 'netns', 'add', 'own');
    const options = ['--network', 'acme.web', '--ip', `10.5.0.${n * 10}`];
    await run(lab.host(n), 'docker', 'run', '-d', '--name', 'survivor', ...options, 'box', 'sleep', '3600');
  }
  before = await standing(lab);
});
afterAll(() => labDown(LAB));

const RUN = 'docker run -d --name brief --network acme.web box sleep 3600';
const REMOVE = 'docker rm -f brief';
const NAMES = (option: string) => `${option} tenant=beta ${option} network=$(hostname)`;
const CREATE = `docker network create -d weft --ipam-driver weft ${NAMES('--ipam-opt')} ${NAMES('-o')} own`;
const DROP = 'docker network rm own';
const ATTACH = 'weft endpoint attach acme/web --netns /run/netns/own --name own';
const DETACH = 'weft endpoint detach acme/web/own';

/** A command, and the steps at which weftd ends while it runs; without any, it is to succeed. */
type Act = [command: string, ...steps: Failpoint[]];

/**
 * One step of each call: for those that begin something, after it is recorded; for those that end something, before, since
 * Docker forgets whatever the answer. What is left of these ends with time...
 */
const BEGINNINGS: Act[] = [
  [CREATE, 'pool.recorded'],
  [CREATE, 'network.recorded'],
  [RUN, 'address.recorded'],
  [RUN, 'endpoint.recorded'],
  [RUN, 'join.recorded'],
  [RUN, 'join.plumbed'],
  [ATTACH, 'attach.recorded'],
  [DETACH],
];
/** ...and of these, with what Docker does next, or when its inventory is compared. */
const ENDINGS: Act[] = [
  [RUN, 'docker.ProgramExternalConnectivity'],
  [
    `${RUN} && ${REMOVE}`,
    ...(['docker.RevokeExternalConnectivity', 'docker.Leave', 'docker.DeleteEndpoint'] as const),
    'docker.ReleaseAddress',
  ],
  [`${RUN} && ${REMOVE}`, 'detach.recorded'],
  [`${RUN} && ${REMOVE}`, 'address.released'],
  [`${CREATE} && ${DROP}`, 'docker.ReleasePool', 'docker.DeleteNetwork'],
  [`${CREATE} && ${DROP}`, 'network.unbound'],
  [`${CREATE} && ${DROP}`, 'pool.released'],
];

const hasEnded = async (host: LabHost) => (await host.daemonStates()).weftd === 'stopped';

/** Each life of weftd ends at the next step; the last one lives. */
async function play(host: LabHost, acts: Act[]): Promise<void> {
  const steps = acts.flatMap(([, ...steps]) => steps);
  const startNext = async () => {
    const step = steps.shift();
    const env: Record<string, string> = step ? { WEFT_TEST: '1', WEFT_FAILPOINTS: `${step}=kill` } : {};
    // Docker may be waiting for it, and the next step be reached, before it has told anybody else that it is ready
    await host.start('weftd', undefined, env).catch(async (error: unknown) => {
      if (!step || !(await hasEnded(host))) throw error;
    });
  };
  await host.kill('weftd');
  await startNext();
  for (const [command, ...ends] of acts) {
    const acting = host.exec(['sh', '-c', command], { timeout: 180_000 });
    for (const step of ends) {
      await until(() => hasEnded(host), {
        what: `weftd to end at ${step} of ${command}`,
        deadline: 90_000,
        every: 50,
      }).catch(async (error: unknown) => {
        throw new Error(`${String(error)}: ${JSON.stringify(await acting)}`);
      });
      await startNext();
    }
    const { exitCode, stderr } = await acting;
    if (ends.length === 0) expect(exitCode, `${command}: ${stderr}`).toBe(0);
    else await host.exec(['sh', '-c', `${REMOVE}; ${DROP}`]);
  }
}

/** From a survivor to the other one, without a pause. */
async function pingFrom(n: number) {
  const pid = await run(lab.host(n), 'docker', 'inspect', '-f', '{{.State.Pid}}', 'survivor');
  return lab.host(n).spawn(['nsenter', '-t', pid, '-n', 'ping', '-q', '-i', '0.2', `10.5.0.${(3 - n) * 10}`]);
}

const lost = ({ stdout }: ExecResult): number => {
  const [, sent, received] = /(\d+) packets transmitted, (\d+) received/.exec(stdout) ?? [];
  if (!(Number(sent) > 100)) throw new Error(`hardly a ping: ${stdout}`);
  return Number(sent) - Number(received);
};

test('weftd may end at any step of any call', { timeout: 600_000 }, async () => {
  const pings = await Promise.all([1, 2].map(pingFrom));
  await Promise.all([play(lab.host(1), BEGINNINGS), play(lab.host(2), ENDINGS)]);
  let now: string[] = [];
  const asBefore = async () => {
    now = await standing(lab);
    return now.join() === before.join();
  };
  await until(asBefore, { what: 'all to be as it was', deadline: 150_000, every: 1_000 }).catch(() => undefined);
  expect(now).toEqual(before);
  const losses = (await Promise.all(pings.map((ping) => ping.kill('INT')))).map(lost);
  // the last one may be on its way
  expect(Math.max(...losses)).toBeLessThanOrEqual(1);
});
