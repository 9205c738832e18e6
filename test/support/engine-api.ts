/** Docker's API on a host of a lab, for what would be hundreds of commands. */
import { request } from 'node:http';
import type { LabHost } from '../../src/lab/lab.ts';

const DEADLINE = 180_000;

/** Rejects with the engine's own words. */
export async function engineApi(host: LabHost, method: 'POST' | 'DELETE', path: string, body?: object): Promise<void> {
  const { status, text } = await ask(host, method, path, body === undefined ? '' : JSON.stringify(body));
  if (status >= 400) throw new Error(`${method} ${path} on ${host.name}: ${status} ${text}`);
}

/** undefined where there is no such thing. */
export async function engineGet<T>(host: LabHost, path: string): Promise<T | undefined> {
  const { status, text } = await ask(host, 'GET', path, '');
  if (status === 404) return undefined;
  if (status >= 400) throw new Error(`GET ${path} on ${host.name}: ${status} ${text}`);
  return JSON.parse(text) as T;
}

function ask(host: LabHost, method: string, path: string, body: string): Promise<{ status: number; text: string }> {
  const socketPath = `/proc/${host.initPid}/root/run/docker.sock`;
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, method, path, headers, timeout: DEADLINE, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }));
    });
    call.on('timeout', () => call.destroy(new Error('no answer')));
    call.on('error', (cause) => reject(new Error(`${method} ${path} on ${host.name}: ${cause.message}`, { cause })));
    call.end(body);
  });
}
