/** Namespaces of a test's own, named after the process, and iproute2 as the second opinion. */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { createNamespace, deleteNamespace } from '../../netlink-ts/index.ts';

export const FOLDER = '/run/netlink-ts-test';

export class TestNamespaces {
  readonly #paths: string[] = [];

  make(name: string): string {
    mkdirSync(FOLDER, { recursive: true });
    const path = `${FOLDER}/${process.pid}-${name}`;
    createNamespace(path);
    this.#paths.push(path);
    return path;
  }

  removeAll(): void {
    for (const path of this.#paths.splice(0)) deleteNamespace(path);
  }
}

export function inNamespace(path: string, command: string, ...args: string[]): string {
  return execFileSync('nsenter', [`--net=${path}`, command, ...args], { encoding: 'utf8' });
}

export function json(path: string, command: string, ...args: string[]): Record<string, unknown>[] {
  return JSON.parse(inNamespace(path, command, ...args) || '[]') as Record<string, unknown>[];
}
