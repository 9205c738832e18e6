/** Ports of a namespace, held so that nobody else gets them: by sockets that are bound, do not listen and do not read. */
import type { Namespace } from '../namespace/namespace.ts';
import { named } from '../namespace/namespace.ts';
import { addon } from '../socket/addon.ts';

const PROTOCOLS = { tcp: 6, udp: 17, sctp: 132 } as const;

export interface PortRequest {
  /** the caller's own when left out */
  netns?: Namespace;
  protocol: keyof typeof PROTOCOLS;
  /** "0.0.0.0" and "::" are all addresses of one family each */
  address: string;
  port: number;
  /** also while connections of a former holder are closing (TIME_WAIT); others that ask so may then have it as well */
  reuse?: boolean;
}

export interface HeldPort {
  /** may be repeated */
  close(): void;
}

/**
 * Throws NetlinkError: EADDRINUSE where somebody has it, EADDRNOTAVAIL for an address that the namespace does not have,
 * EPROTONOSUPPORT or ESOCKTNOSUPPORT for a protocol that the kernel lacks.
 */
export function holdPort({ netns, protocol, address, port, reuse = false }: PortRequest): HeldPort {
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new RangeError(`not a port: ${port}`);
  try {
    const descriptor = addon().bindPort(netns?.fd ?? -1, PROTOCOLS[protocol], address, port, Number(reuse));
    let held = true;
    const close = () => {
      // The number may be somebody else's descriptor by the second time, also where the first one failed.
      if (!held) return;
      held = false;
      addon().closeDescriptor(descriptor);
    };
    return { close };
  } catch (error) {
    throw named(`hold port ${port}/${protocol} of ${address}`, error);
  }
}
