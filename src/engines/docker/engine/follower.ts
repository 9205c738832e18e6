/**
 * Follows one Docker engine over its own API: tells the cluster of its containers, keeps its networks in step, and finds
 * what it forgot. Level-triggered: events only wake it and say where to look first.
 *
 * Nothing of it runs inside a call of the plugin, where dockerd may hold its locks; its own calls make dockerd call the
 * plugin, which answers without it.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { EngineFollowing, EngineReport } from '../../../control/engines/port.ts';
import { toWeftError } from '../../../model/errors.ts';
import { EngineApi } from './api.ts';
import type { Self } from './networks.ts';
import { EngineSession } from './session.ts';

export interface FollowerOptions extends Self {
  /** of dockerd, not of the plugin */
  socketPath: string;
  following: EngineFollowing;
  log: Logger;
}

/** between tries of an engine that is away, in milliseconds */
const RETRY_FIRST = 250;
const RETRY_LAST = 5_000;

const AWAY: EngineReport = { engine: 'docker', state: 'away', id: '', version: '', liveRestore: false, problems: [] };

/** Runs until the signal. An engine that is away is tried again for ever. */
export async function followEngine(options: FollowerOptions, signal: AbortSignal): Promise<void> {
  const { following, log } = options;
  let pause = RETRY_FIRST;
  let said = '';
  const stopped = () => signal.aborted;
  while (!stopped()) {
    const api = new EngineApi(options.socketPath);
    try {
      const info = await api.info(signal);
      log.info({ version: info.ServerVersion }, 'following the Docker engine');
      [pause, said] = [RETRY_FIRST, ''];
      await new EngineSession(options, api, info).run(signal);
    } catch (error) {
      if (stopped()) return;
      const { code, message: reason } = toWeftError(error);
      if (reason !== said) log.warn({ code, reason }, 'the Docker engine is away; its containers go on');
      said = reason;
    } finally {
      await api.close();
    }
    await following.report(AWAY, { signal }).catch((error: unknown) => {
      log.debug({ err: error }, 'the state of the Docker engine could not be recorded');
    });
    await delay(pause, undefined, { signal }).catch(() => undefined);
    pause = Math.min(pause * 2, RETRY_LAST);
  }
}
