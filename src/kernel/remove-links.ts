/**
 * Links of a tenant's namespace are removed together. The kernel waits for a grace period of RCU after each message that
 * removes links, 20 ms however many they are (6.18): a tenant with 300 ports would take six seconds one by one.
 */
import { NetlinkError } from 'netlink-ts';
import type { RouteSocket } from 'netlink-ts';
import { REMOVED_GROUP } from './link-group.ts';

/** What is gone is a success. Rejects when one of them could not be removed; the others may be gone by then. */
export async function removeLinks(rt: RouteSocket, names: readonly string[]): Promise<void> {
  const [only = ''] = names;
  if (names.length === 1) return await removeLink(rt, { name: only });
  await Promise.all(names.map((name) => mark(rt, name)));
  // A group's removal takes whatever is in it: nobody else's link may be.
  const marked = await rt.links.list({ group: REMOVED_GROUP });
  if (marked.every(({ name }) => names.includes(name))) return await removeLink(rt, { group: REMOVED_GROUP });
  for (const name of names) await removeLink(rt, { name });
}

async function mark(rt: RouteSocket, name: string): Promise<void> {
  const link = await rt.links.get({ name });
  if (link) await unlessGone(rt.links.set({ index: link.index, group: REMOVED_GROUP }));
}

function removeLink(rt: RouteSocket, which: { name: string } | { group: number }): Promise<void> {
  return unlessGone(rt.links.delete(which));
}

async function unlessGone(work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!(error instanceof NetlinkError && error.code === 'ENODEV')) throw error;
  }
}
