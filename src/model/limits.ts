/** Defaults of design.md section 3, in milliseconds. */
export const HANDLER_DEADLINE = 4_000;
/** an address given to an engine whose endpoint never came */
export const HOLD_TIME = 60_000;
/** a released address is not given to others before this */
export const RESTING_TIME = 30_000;
/** what nobody seems to own is left alone for this long */
export const LEAK_GRACE = 30_000;
/** a node's lease, in seconds */
export const NODE_LEASE_SECONDS = 10;
/** ports of a Linux bridge, one of which is the vxlan */
export const BRIDGE_PORTS = 1_023;
