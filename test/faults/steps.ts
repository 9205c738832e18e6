/**
 * weftd ends in the middle of each call, and is started again. Docker's retry has lost its body, so that what the user asked
 * for may fail; what stood before stands on, and what was begun is gone in the end.
 */
import { expect } from 'vitest';
import type { Failpoint } from '../../src/control/failpoints.ts';
import type { LabHost } from '../../src/lab/lab.ts';
import { until } from '../support/until.ts';
import { reachable } from './invariants.ts';
import type { World } from './world.ts';

const RUN = 'docker run -d --name brief --network acme.web box sleep 3600';
const REMOVE = 'docker rm -f brief';
const COME_AND_GO = `${RUN} && ${REMOVE}`;
const NAMES = (option: string) => `${option} tenant=beta ${option} network=$(hostname)`;
const CREATE = `docker network create -d weft --ipam-driver weft ${NAMES('--ipam-opt')} ${NAMES('-o')} brief`;
const DROP = 'docker network rm brief';
const MAKE_AND_DROP = `${CREATE} && ${DROP}`;
const ATTACH = 'weft endpoint attach acme/web --netns /run/netns/spare --name $(hostname)-brief';
const DETACH = 'weft endpoint detach acme/web/$(hostname)-brief';

/** A command, and the steps at which weftd ends while it runs; without any, it is to succeed. */
type Act = [command: string, ...steps: Failpoint[]];

/** Acts that leave nothing behind. */
type Scene = readonly Act[];

/** Of each host, so that three play at once: networks; containers that come; containers that go. */
const SCENES: readonly Scene[][] = [
  [
    [[CREATE, 'docker.RequestPool']],
    [[CREATE, 'pool.recorded']],
    [[CREATE, 'docker.CreateNetwork']],
    [[CREATE, 'network.recorded']],
    [[MAKE_AND_DROP, 'docker.ReleasePool', 'docker.DeleteNetwork']],
    [[MAKE_AND_DROP, 'network.unbound']],
    [[MAKE_AND_DROP, 'network.dropped']],
    [[MAKE_AND_DROP, 'pool.released']],
  ],
  [
    [[RUN, 'docker.RequestAddress']],
    [[RUN, 'address.recorded']],
    [[RUN, 'docker.CreateEndpoint']],
    [[RUN, 'endpoint.recorded']],
    [[RUN, 'docker.Join']],
    [[RUN, 'join.recorded']],
    [[RUN, 'join.plumbed']],
  ],
  [
    [[ATTACH, 'attach.recorded'], [DETACH]],
    [
      [ATTACH, 'attach.plumbed'],
      [DETACH, 'detach.applied'],
    ],
    [[RUN, 'docker.ProgramExternalConnectivity']],
    [
      [
        COME_AND_GO,
        ...(['docker.RevokeExternalConnectivity', 'docker.Leave', 'docker.DeleteEndpoint'] as const),
        'docker.ReleaseAddress',
      ],
    ],
    [[COME_AND_GO, 'detach.recorded']],
    [[COME_AND_GO, 'address.released']],
  ],
];

const stepsOf = (acts: readonly Act[]) => acts.flatMap(([, ...steps]) => steps);

export const PLAYED = SCENES.flat().flatMap(stepsOf);

/** A scene of each host, and the steps at which weftd ends in them. */
export const SETS = Array.from({ length: Math.max(...SCENES.map(({ length }) => length)) }, (_, index) => {
  const acts = SCENES.map((scenes) => scenes[index] ?? []);
  return { steps: acts.flatMap(stepsOf).join(', '), acts };
});

/** Every host has a namespace `spare`. `acts`: of each host. */
export async function endAtSteps(
  world: World,
  acts: readonly (readonly Act[])[] = SCENES.map((scenes) => scenes.flat()),
): Promise<void> {
  await Promise.all(acts.map((own, index) => play(world, world.lab.host(index + 1), own)));
}

const hasEnded = async (host: LabHost) => (await host.daemonStates()).weftd === 'stopped';

/** Each life of weftd ends at the next step, and nobody misses it; the last one lives. */
async function play(world: World, host: LabHost, acts: readonly Act[]): Promise<void> {
  if (acts.length === 0) return;
  const steps = stepsOf(acts);
  const startNext = async () => {
    const step = steps.shift();
    const env: Record<string, string> = step ? { WEFT_TEST: '1', WEFT_FAILPOINTS: `${step}=kill` } : {};
    // Docker may be waiting for it, and the next step be reached, before it has told anybody else that it is ready
    await host.start('weftd', { env }).catch(async (error: unknown) => {
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
      await reachable(world);
      await startNext();
    }
    const { exitCode, stderr } = await acting;
    if (ends.length === 0) expect(exitCode, `${command}: ${stderr}`).toBe(0);
    else await host.exec(['sh', '-c', `${REMOVE}; ${DROP}`]);
  }
}
