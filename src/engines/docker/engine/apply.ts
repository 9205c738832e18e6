/** Carries out a step, network by network: what one is refused does not hold the others up. */
import type { Logger } from 'pino';
import type { EngineFollowing } from '../../../control/engines/port.ts';
import { toWeftError } from '../../../model/errors.ts';
import type { EngineProblem } from '../../../model/objects.ts';
import type { EngineApi } from './api.ts';
import { creationOf } from './networks.ts';
import type { Self, Step } from './networks.ts';

export interface ApplyContext extends Self {
  api: EngineApi;
  following: EngineFollowing;
  /** the engine's own id */
  engine: string;
  signal: AbortSignal;
  log: Logger;
}

/** What was refused. Throws only `engine-away`, and what the store says. */
export async function applyStep(step: Step, context: ApplyContext): Promise<EngineProblem[]> {
  const { api, following, engine, signal, log } = context;
  const problems: EngineProblem[] = [];
  const attempt = async (name: string, work: () => Promise<void>) => {
    try {
      await work();
    } catch (error) {
      const failure = toWeftError(error);
      if (failure.code !== 'engine-refused') throw failure;
      problems.push({ name, reason: failure.message, next: failure.next });
    }
  };
  for (const network of step.remove) {
    await attempt(network.name, async () => {
      if (network.disconnect) await disconnectAll(network.id, context);
      await api.removeNetwork(network.id, signal);
      log.info({ network: network.name }, 'took a network out of the Docker engine');
    });
  }
  for (const claim of step.claim) await following.claimNetwork({ engine, ...claim }, { signal });
  // One after the other: the plugin tells pools of one subnet apart by there being only one at a time.
  for (const network of step.create) {
    await attempt(network.name, async () => {
      const engineId = await api.createNetwork(creationOf(network, context), signal);
      await following.claimNetwork({ engine, engineId, network: network.id }, { signal });
      log.info({ network: network.name }, 'put a network into the Docker engine');
    });
  }
  return problems;
}

async function disconnectAll(id: string, { api, signal, log }: ApplyContext): Promise<void> {
  const network = await api.network(id, signal);
  for (const [container, { Name: name }] of Object.entries(network?.Containers ?? {})) {
    log.info({ container: name, network: network?.Name }, 'disconnecting a container from a network that is deleted');
    await api.disconnect(id, container, signal);
  }
}
