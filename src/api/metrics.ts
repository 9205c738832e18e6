/**
 * Prometheus metrics, on loopback only: they name tenants' objects to nobody, and need no secret to be read. The event
 * loop's delay is measured because an attach that waits for it is an attach that is late.
 */
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Gauge, Registry } from 'prom-client';
import type { Logger } from 'pino';
import type { Control, StatusView } from '../control/port.ts';
import { WeftError } from '../model/errors.ts';
import type { TimingMetrics } from './timing-metrics.ts';

export interface MetricsOptions {
  port: number;
  control: Control;
  /** of this node's certificate */
  notAfter: () => Date;
  timings: TimingMetrics;
  log: Logger;
}

const HOST = '127.0.0.1';
const PATH = '/metrics';
const STATES = ['ok', 'degraded', 'away'] as const;
/** Resolution of the delay's histogram, and what a value in nanoseconds is divided by. */
const DELAY_RESOLUTION = 10;
const NANOSECONDS = 1e9;

/** Throws `already-running` when the port is taken. `port` 0 lets the kernel choose. */
export async function startMetrics(options: MetricsOptions): Promise<{ port: number; close(): Promise<void> }> {
  const delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION });
  delay.enable();
  const registry = new Registry();
  for (const metric of options.timings.metrics) registry.registerMetric(metric);
  const refresh = defineMetrics(registry, delay, options.notAfter);
  const server = createServer((request, response) => {
    if (request.method !== 'GET' || request.url !== PATH) {
      response.writeHead(404, { 'content-type': 'text/plain' }).end(`only GET ${PATH}\n`);
      return;
    }
    options.control
      .status()
      .then((status) => refresh(status))
      .then(() => registry.metrics())
      .then((text) => response.writeHead(200, { 'content-type': registry.contentType }).end(text))
      .catch((error: unknown) => {
        options.log.error({ err: error }, 'metrics could not be gathered');
        response.writeHead(500).end();
      });
  });
  server.requestTimeout = 5_000;
  const port = await listen(server, options.port);
  return {
    port,
    close: async () => {
      delay.disable();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}

function defineMetrics(
  registry: Registry,
  delay: ReturnType<typeof monitorEventLoopDelay>,
  notAfter: () => Date,
): (status: StatusView) => void {
  const gauge = (name: string, help: string, labelNames: string[] = []) =>
    new Gauge({ name: `weft_${name}`, help, labelNames, registers: [registry] });
  const store = gauge('store_state', 'State of the store: 1 for the one that holds', ['state']);
  const seen = gauge('store_revision', 'Revision of the store that this host has seen');
  const applied = gauge('applied_revision', 'Revision that this host’s kernel stands at');
  const repairs = gauge('repairs_total', 'What was changed behind weft and put back, by kind of object', ['kind']);
  const conditions = gauge('conditions', 'Conditions that weft status shows');
  const late = gauge('event_loop_delay_seconds', 'Delay of the event loop since the last scrape', ['quantile']);
  const expiry = gauge('certificate_expiry_seconds', 'When this node’s certificate ends, in seconds since 1970');
  return (status) => {
    expiry.set(notAfter().getTime() / 1_000);
    for (const state of STATES) store.set({ state }, status.store.state === state ? 1 : 0);
    seen.set(status.store.revision);
    applied.set(status.applied.revision);
    for (const [kind, count] of Object.entries(status.repairs.byKind)) repairs.set({ kind }, count);
    conditions.set(status.conditions.length);
    for (const quantile of [50, 99, 100])
      late.set({ quantile: String(quantile / 100) }, delay.percentile(quantile) / NANOSECONDS);
    delay.reset();
  };
}

async function listen(server: Server, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(new WeftError('already-running', `${HOST}:${port} is taken`, { object: `tcp/${port}`, cause })),
    );
    server.listen(port, HOST, resolve);
  });
  const address = server.address();
  return typeof address === 'object' && address ? address.port : port;
}
