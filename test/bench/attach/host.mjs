/**
 * A host of the lab as this process reaches it without starting one: the engine's API, weft's API and its metrics over their
 * sockets, and what stands in its namespaces over netlink.
 */
import { request } from 'node:http';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { RouteSocket } from 'netlink-ts';
import { connect } from '../../../dist/api/client.js';

const DEADLINE = 30_000;
/** socat stands between: the metrics are on the loopback of the host's namespace. */
const METRICS = '/run/bench-metrics.sock';
const POLL = 2;

export class BenchHost {
  #bridge;

  constructor(host) {
    this.host = host;
    this.root = `/proc/${host.initPid}/root`;
    this.weft = connect({ socketPath: `${this.root}/run/weft/weft.sock`, deadline: DEADLINE });
  }

  async open() {
    this.#bridge = await this.host.spawn(['socat', `UNIX-LISTEN:${METRICS},fork`, 'TCP:127.0.0.1:7782']);
    await until(() => this.timings().catch(() => undefined), 'the metrics of weftd');
  }

  async close() {
    this.weft.close();
    await this.#bridge?.kill();
  }

  /** stdout of a command that must succeed. */
  async run(...command) {
    const { stdout, stderr, exitCode } = await this.host.exec(command);
    if (exitCode !== 0) throw new Error(`${command.join(' ')}: exit ${exitCode}: ${stderr}${stdout}`);
    return stdout.trim();
  }

  /** Rejects with the engine's own words. */
  async docker(method, path, body) {
    const { status, text } = await http(`${this.root}/run/docker.sock`, { method, path }, body);
    if (status >= 400) throw new Error(`${method} ${path}: ${status} ${text}`);
    return text === '' ? undefined : JSON.parse(text);
  }

  /** What weftd has spent so far, in milliseconds: { phase: { journal: { sum, count } }, call: { ... } } */
  async timings() {
    const { text } = await http(`${this.root}${METRICS}`, { method: 'GET', path: '/metrics' });
    const found = { phase: {}, call: {} };
    for (const [, kind, part, name, value] of text.matchAll(
      /^weft_(phase|call)_seconds_(sum|count)\{\w+="([^"]+)"\} (\S+)$/gm,
    )) {
      found[kind][name] ??= { sum: 0, count: 0 };
      found[kind][name][part] = Number(value) * (part === 'sum' ? 1_000 : 1);
    }
    return found;
  }

  tenantPath(tenant) {
    return `${this.root}/run/weft/netns/${tenant}`;
  }

  /** Of a container's namespace by its pid in the host's numbering, or of a file of the host's. */
  openRoutes(where) {
    return RouteSocket.open({
      netns: typeof where === 'number' ? this.root + `/proc/${where}/ns/net` : this.root + where,
    });
  }

  /** From inside a namespace; the first packets may come before the other host knows who asks. */
  async reaches(where, address) {
    const net = typeof where === 'number' ? `/proc/${where}/ns/net` : where;
    const ping = ['nsenter', `--net=${net}`, 'ping', '-c', '1', '-W', '1', address];
    await until(async () => (await this.host.exec(ping)).exitCode === 0, `${net} reaches ${address}`);
  }
}

function http(socketPath, { method, path }, body) {
  const text = body === undefined ? '' : JSON.stringify(body);
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, method, path, headers, timeout: DEADLINE, agent: false }, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk)).on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode, text: Buffer.concat(chunks).toString() }));
    });
    call.on('timeout', () => call.destroy(new Error(`no answer to ${method} ${path}`)));
    call.on('error', reject);
    call.end(text);
  });
}

/** Resolves with what `condition` says, once that is true of it. */
export async function until(condition, what, deadline = DEADLINE) {
  const end = performance.now() + deadline;
  for (;;) {
    const found = await condition();
    if (found) return found;
    if (performance.now() > end) throw new Error(`not within ${deadline} ms: ${what}`);
    await delay(POLL);
  }
}
