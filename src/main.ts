#!/usr/bin/env node
/** weftd as a process: what it was asked for, the signals that end it, and what it says when it could not do its work. */
import tls from 'node:tls';
import { pino } from 'pino';
import { readCommandLine } from './command-line.ts';
import { loadConfig } from './config.ts';
import { runDaemon } from './daemon.ts';
import { armFailpoints } from './failpoints.ts';
import { ServiceManager } from './kernel/service-manager.ts';
import { toWeftError, WeftError } from './model/errors.ts';
import { editionOf } from './next-version.ts';

/** milliseconds for all parts to end after a signal */
const STOP_DEADLINE = 10_000;

async function main(): Promise<void> {
  // Whatever is made without a mode of its own is root's alone, sockets in the moment of their making among it.
  process.umask(0o077);
  // For peers, and for etcd, which speaks it since 3.4: a client's certificate is not shown to who listens.
  tls.DEFAULT_MIN_VERSION = 'TLSv1.3';
  const asked = readCommandLine(process.argv.slice(2));
  if (!asked) return;
  const config = await loadConfig({ ...asked, environment: process.env });
  if (asked.check) {
    console.log(JSON.stringify(config, undefined, 2));
    return;
  }
  const at = armFailpoints(process.env);
  const edition = editionOf(process.env);
  const log = pino({ level: config.log.level, base: { node: config.node.name } });
  const stop = new AbortController();
  const manager = new ServiceManager({ environment: process.env, log });
  manager.keepWatch(stop.signal);
  const onSignal = (name: NodeJS.Signals) => {
    log.info({ signal: name }, 'stopping; traffic goes on');
    manager.stopping();
    stop.abort();
    setTimeout(() => process.exit(1), STOP_DEADLINE).unref();
  };
  process.once('SIGTERM', onSignal).once('SIGINT', onSignal);
  try {
    await runDaemon({ config, manager, log, at, edition, signal: stop.signal });
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  }
}

try {
  await main();
} catch (error) {
  const failure =
    error instanceof TypeError ? new WeftError('configuration-invalid', error.message) : toWeftError(error);
  console.error(`error ${failure.code}: ${failure.message}\nnext: ${failure.next}`);
  process.exitCode = 1;
}
