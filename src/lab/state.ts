/**
 * Where a lab is, and what must be known of it to enter it from another process. /run/weft-lab/NAME/ is made before
 * anything else and removed after everything else: its existence is what a second `up` stumbles over.
 */
import { mkdir, readFile, rename, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { WeftError } from '../model/errors.ts';
import { NAME_PATTERN } from '../model/names.ts';

const RUN = '/run/weft-lab';
const DISKS = '/var/lib/weft-lab';
export const IMAGE_CACHE = '/var/cache/weft-lab';
/** The checkout: this file is two folders below it, as source and compiled. */
export const CHECKOUT = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');

/** A pid alone may be another's by now: its start time (clock ticks since boot) makes it one process. */
const processSchema = z.object({ pid: z.int().positive(), started: z.string() });
export type ProcessId = z.infer<typeof processSchema>;

const hostSchema = z.object({
  name: z.string(),
  /** 1 for host1: also the last part of its addresses */
  number: z.int().positive(),
  machineId: z.string(),
  init: processSchema.optional(),
});
export type HostState = z.infer<typeof hostSchema>;

const labSchema = z.object({
  name: z.string(),
  engine: z.enum(['docker', 'none']),
  etcd: z.union([z.literal(1), z.literal(3)]),
  underlay: z.enum(['ipv4', 'ipv6']),
  underlayMtu: z.int(),
  /** whether weftd (and with it etcd) runs on the hosts */
  daemon: z.boolean(),
  switch: processSchema.optional(),
  hosts: z.array(hostSchema),
});
export type LabState = z.infer<typeof labSchema>;

export function runDirectory(lab: string): string {
  return `${RUN}/${lab}`;
}

export function diskDirectory(lab: string, host?: string): string {
  return host === undefined ? `${DISKS}/${lab}` : `${DISKS}/${lab}/${host}`;
}

export function checkLabName(name: string): void {
  if (NAME_PATTERN.test(name)) return;
  throw new WeftError('invalid-argument', `name: "${name}" is not a lab's name: 1 to 32 of a-z, 0-9 and -`);
}

/** True as long as anything may be left of it, be it only its disks after the machine was restarted. */
export async function labExists(name: string): Promise<boolean> {
  checkLabName(name);
  return (await exists(runDirectory(name))) || (await exists(diskDirectory(name)));
}

export async function claimName(name: string): Promise<void> {
  await mkdir(RUN, { recursive: true, mode: 0o700 });
  const taken = new WeftError('lab-failed', `there is a lab "${name}" already`, {
    object: name,
    next: `weft lab down --name ${name}`,
  });
  if (await exists(diskDirectory(name))) throw taken;
  try {
    await mkdir(runDirectory(name), { mode: 0o700 });
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === 'EEXIST' ? taken : error;
  }
}

export async function saveState(state: LabState): Promise<void> {
  const path = `${runDirectory(state.name)}/lab.json`;
  await writeFile(`${path}.new`, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600 });
  await rename(`${path}.new`, path);
}

export async function loadState(name: string): Promise<LabState> {
  checkLabName(name);
  const text = await readFile(`${runDirectory(name)}/lab.json`, 'utf8').catch(() => undefined);
  if (text === undefined) {
    const next = (await labExists(name)) ? `weft lab down --name ${name}` : `weft lab up --name ${name}`;
    throw new WeftError('lab-failed', `there is no lab "${name}" that is up`, { object: name, next });
  }
  return labSchema.parse(JSON.parse(text));
}

/** The last step of `down`. */
export async function forgetLab(name: string): Promise<void> {
  await rm(diskDirectory(name), { recursive: true, force: true });
  await rm(runDirectory(name), { recursive: true, force: true });
  for (const parent of [DISKS, RUN]) {
    // another lab's directory keeps it
    await rmdir(parent).catch(() => undefined);
  }
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
