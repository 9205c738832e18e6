/** Whether packets of the overlay arrive at the other hosts, of the size that the networks need. Pure. */
import type { Finding } from '../model/finding.ts';

interface Way {
  /** name */
  node: string;
  vtep: string;
}

/** What arrived of the probes to one node. */
export interface WayTried extends Way {
  /** a packet of a hundred bytes or so */
  small: boolean;
  /** one as large as any network needs, which is `bytes` */
  large: boolean;
  bytes: number;
}

/** Nothing could be sent there, or its node could not be asked what came. */
export interface WayUntried extends Way {
  reason: string;
}

export function checkWays(node: string, port: number, ways: readonly (WayTried | WayUntried)[]): Finding[] {
  return ways.flatMap((way) => {
    const { node: other, vtep } = way;
    const base = { node, object: `the way to ${other}` };
    if ('reason' in way) {
      const command = `ip route get ${vtep}; where that shows a route: weft status, on ${other}`;
      return [{ ...base, code: 'way-untried', evidence: `it could not be tried: ${way.reason}`, command }];
    }
    const { small, large, bytes } = way;
    if (!small && !large) {
      const evidence = `no packet of the overlay arrives at ${vtep}: UDP port ${port} is filtered on the way, or on ${other}`;
      const command = `open UDP port ${port} from ${node} to ${other} in firewalls and security groups between them`;
      return [{ ...base, code: 'overlay-blocked', evidence, command }];
    }
    if (large) return [];
    const evidence = `packets of ${bytes} bytes are lost on the way to ${vtep}, small ones arrive: large transfers hang`;
    const command = `raise the MTU between ${node} and ${other} to ${bytes}; try: ping -M do -s ${bytes - 28} ${vtep}`;
    return [{ ...base, code: 'path-mtu', evidence, command }];
  });
}
