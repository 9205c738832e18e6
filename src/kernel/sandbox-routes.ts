/** Routes that a container's interface needs after it was made: the network got another subnet meanwhile. */
import { NetlinkError } from 'netlink-ts';
import { WeftError } from '../model/errors.ts';
import type { PortPeer } from '../plan/objects.ts';
import { addLinkRoutes, openSandbox } from './sandbox.ts';
import type { Sandbox } from './sandbox.ts';

/**
 * Idempotent. The interface is known by its MAC, since its engine named it. False while it is not in its sandbox: the engine
 * has not moved it there yet, or the container is gone; who moves it gets the routes with the join.
 */
export async function routeOnLink(peer: PortPeer): Promise<boolean> {
  const sandbox = tryOpen(peer.sandbox);
  if (!sandbox) return false;
  try {
    const link = (await sandbox.rt.links.list()).find(({ address }) => address === peer.mac);
    if (!link) return false;
    await addLinkRoutes(sandbox, link.index, peer);
    return true;
  } catch (error) {
    // Between the look and the route the container ended.
    if (error instanceof NetlinkError && (error.code === 'ENODEV' || error.code === 'ENETDOWN')) return false;
    throw error;
  } finally {
    sandbox.close();
  }
}

function tryOpen(path: string): Sandbox | undefined {
  try {
    return openSandbox(path);
  } catch (error) {
    if (error instanceof WeftError && error.code === 'sandbox-gone') return undefined;
    throw error;
  }
}
