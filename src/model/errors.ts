/**
 * The one error type that crosses layers, and the catalogue of its codes.
 *
 * A code is stable: scripts match on it. An error names what was asked, which object, on which host, why, and what to
 * do next (design invariant 10). Every code stands in README.md's error table; a test holds the two together.
 */

/** Exit codes of `weft`; gRPC status codes follow from them (see api/status.ts). */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  conflict: 4,
  denied: 5,
  away: 6,
  timeout: 7,
  findings: 10,
} as const;

export type ExitName = keyof typeof EXIT;

interface CatalogueEntry {
  exit: ExitName;
  /** One sentence for `weft explain error CODE` and the README. */
  meaning: string;
  /** What to do when the thrower knows nothing better. */
  next: string;
}

export const ERRORS = {
  'invalid-argument': {
    exit: 'usage',
    meaning: 'A field of the request is missing or malformed; the message begins with its path.',
    next: 'correct the named field and repeat the call',
  },
  'tenant-not-found': { exit: 'notFound', meaning: 'No tenant has this name or id.', next: 'weft tenant ls' },
  'network-not-found': { exit: 'notFound', meaning: 'No network has this name or id.', next: 'weft network ls -A' },
  'endpoint-not-found': { exit: 'notFound', meaning: 'No endpoint has this name or id.', next: 'weft endpoint ls -A' },
  'pool-not-found': {
    exit: 'notFound',
    meaning: 'An engine names an address pool that weft does not know.',
    next: 'remove the network from the engine and create it again',
  },
  'port-not-found': { exit: 'notFound', meaning: 'No endpoint publishes this port.', next: 'weft port ls -A' },
  'router-not-found': { exit: 'notFound', meaning: 'No router has this name or id.', next: 'weft router ls -A' },
  'ambiguous-reference': {
    exit: 'usage',
    meaning: 'The prefix of an id fits more than one object.',
    next: 'give more characters of the id, or the name',
  },
  'name-taken': {
    exit: 'conflict',
    meaning: 'Another object of the same kind has this name in the same scope.',
    next: 'choose another name, or inspect the object that has it',
  },
  'tenant-in-use': { exit: 'conflict', meaning: 'The tenant still has networks.', next: 'weft network ls -t TENANT' },
  'network-in-use': {
    exit: 'conflict',
    meaning: 'The network still has endpoints, or an engine is bound to it.',
    next: 'weft endpoint ls -t TENANT',
  },
  'subnet-overlap': {
    exit: 'conflict',
    meaning:
      'The subnet overlaps another network of the tenant, a range weft keeps for itself, or a route of this host.',
    next: 'choose another subnet, or leave --subnet out and let weft choose',
  },
  'subnet-mismatch': {
    exit: 'conflict',
    meaning: 'The network exists already, with other subnets or options than those asked for.',
    next: 'weft network inspect TENANT/NETWORK',
  },
  'no-free-subnet': {
    exit: 'conflict',
    meaning: 'No subnet of the default ranges is free in this tenant.',
    next: 'name one with --subnet',
  },
  'no-free-vni': {
    exit: 'conflict',
    meaning: 'All VXLAN network identifiers of the cluster are taken.',
    next: 'delete networks',
  },
  'address-taken': {
    exit: 'conflict',
    meaning: 'The address asked for is held by another endpoint, is resting or is reserved.',
    next: 'weft endpoint ls -t TENANT',
  },
  'address-not-shared': {
    exit: 'notFound',
    meaning: 'The address is not shared among endpoints of this network.',
    next: 'weft address ls TENANT/NETWORK',
  },
  'address-outside': {
    exit: 'usage',
    meaning: 'The address asked for is not in a subnet of the network, or is one that endpoints cannot have.',
    next: 'weft network inspect TENANT/NETWORK',
  },
  'pool-exhausted': {
    exit: 'conflict',
    meaning: 'Every address of the subnet is in use, resting or reserved.',
    next: 'weft network extend TENANT/NETWORK --subnet CIDR',
  },
  'hold-lost': {
    exit: 'conflict',
    meaning: 'The address an engine was given before its endpoint existed is no longer held for it.',
    next: 'start the container again',
  },
  'mac-taken': {
    exit: 'conflict',
    meaning: 'Another endpoint of the network has this MAC address.',
    next: 'choose another MAC address',
  },
  'mtu-too-large': {
    exit: 'conflict',
    meaning: 'The MTU asked for does not fit through the underlay of every node.',
    next: 'weft node ls',
  },
  'ports-unsupported': {
    exit: 'usage',
    meaning: 'A port cannot be published as asked; the message says why.',
    next: 'publish another port, or on another address; see "Published ports" in the README',
  },
  'port-taken': {
    exit: 'conflict',
    meaning: 'A port of the host that was to be published is in use; the message names by whom.',
    next: 'publish another port, or end what has it: weft port ls -A',
  },
  'not-supported': { exit: 'usage', meaning: 'The call asks for something weft does not do.', next: 'see the README' },
  'sandbox-gone': {
    exit: 'failed',
    meaning: 'The network namespace of the container does not exist or is not one.',
    next: 'check the path given with --netns',
  },
  'bridge-full': {
    exit: 'conflict',
    meaning: 'A Linux bridge holds 1,023 ports.',
    next: 'use another network or host',
  },
  'kernel-refused': { exit: 'failed', meaning: 'The kernel refused an operation.', next: 'weft status' },
  'not-ready': { exit: 'timeout', meaning: 'The host did not finish the work in time.', next: 'weft status' },
  'store-away': {
    exit: 'away',
    meaning: 'etcd does not answer.',
    next: 'weft status; check etcd on the nodes that run it',
  },
  'journal-full': {
    exit: 'failed',
    meaning:
      'The disk with the journal has no room, or does not keep up: nothing new can be recorded; detaching still can.',
    next: 'make room on the file system of /var/lib/weft, and repeat the call',
  },
  'journal-failed': {
    exit: 'failed',
    meaning: 'The journal could not be written; what it holds is safe, but nothing is added before weftd starts again.',
    next: 'check the disk (dmesg), then systemctl restart weftd',
  },
  'journal-damaged': {
    exit: 'failed',
    meaning:
      'The journal on disk is not what was written; the message names the file and the place. Nothing was changed.',
    next: 'restore the directory from a copy; without one: weft node forget it on another host, then here weft node rejoin',
  },
  'snapshot-invalid': {
    exit: 'failed',
    meaning: 'The file is no snapshot of etcd, or not a whole one: it was cut short or changed.',
    next: 'use another file of /var/lib/weft/backups, or one that weft store snapshot wrote',
  },
  'restore-refused': {
    exit: 'conflict',
    meaning: 'A snapshot cannot be restored on this host as it is; the message says what is in the way.',
    next: 'systemctl stop weftd, on the host that runs etcd, and repeat the command',
  },
  'store-conflict': {
    exit: 'conflict',
    meaning: 'Others changed the same objects again and again.',
    next: 'repeat the call',
  },
  'changed-meanwhile': {
    exit: 'conflict',
    meaning: 'The object is not at the revision that the update names: somebody else changed it.',
    next: 'read the object again and repeat the update on what it is now',
  },
  'daemon-away': { exit: 'away', meaning: 'weftd does not answer on its socket.', next: 'systemctl status weftd' },
  'engine-away': {
    exit: 'away',
    meaning: 'The container engine does not answer on its socket.',
    next: 'systemctl status docker',
  },
  'engine-refused': {
    exit: 'failed',
    meaning: 'The container engine refused a call of weft; its own words are in the message.',
    next: 'weft docker status',
  },
  'network-leaving': {
    exit: 'conflict',
    meaning: 'The network is being deleted: nothing new can be attached or bound to it.',
    next: 'weft network ls -A',
  },
  'node-not-found': { exit: 'notFound', meaning: 'No node has this name or id.', next: 'weft node ls' },
  'node-live': {
    exit: 'conflict',
    meaning: 'The node is still heard from: forgetting it would cut a running host off.',
    next: 'stop weftd there first, or give --force',
  },
  'token-invalid': {
    exit: 'denied',
    meaning: 'The token is unknown, expired, used up or wrong.',
    next: 'weft token create --role node, on a node of the cluster',
  },
  'pin-mismatch': {
    exit: 'denied',
    meaning: 'The host that answers does not belong to the cluster that made the token; the secret was not sent.',
    next: 'check the address, and where the token comes from',
  },
  'clock-skew': {
    exit: 'failed',
    meaning: 'The clocks of two hosts differ by more than certificates bear, or a certificate has ended.',
    next: 'set this host’s clock (timedatectl), and compare it with the other host’s',
  },
  'not-signing': {
    exit: 'failed',
    meaning: 'The node that was asked does not hold the CA of the cluster, so it cannot certify others.',
    next: 'ask a node that does: weft node ls -o wide',
  },
  'already-joined': {
    exit: 'conflict',
    meaning: 'This host belongs to a cluster already.',
    next: 'weft node rejoin, if this host was forgotten or copied; to change clusters, remove its pki directory first',
  },
  'node-fenced': {
    exit: 'denied',
    meaning:
      'This node gives out no addresses: the cluster forgot it, its disk is older than what it wrote to the store, another host runs as it, or the store was restored.',
    next: 'weft status; all but the last are ended by weft node rejoin',
  },
  'node-forgotten': {
    exit: 'denied',
    meaning: 'The cluster has forgotten the node: its certificates count no more, and its endpoints are not live.',
    next: 'on that host: systemctl stop weftd && weft node rejoin HOST:7781 --token TOKEN',
  },
  unauthenticated: {
    exit: 'denied',
    meaning: 'The call showed no certificate of a node of this cluster that is valid now.',
    next: 'weft node join, with a token',
  },
  'level-too-low': {
    exit: 'conflict',
    meaning: 'The feature writes what nodes of older versions would misread: it waits until every node is upgraded.',
    next: 'upgrade weft on the nodes that are named, or weft node forget those that are gone',
  },
  'state-newer': {
    exit: 'failed',
    meaning: 'What stands in etcd or on this host was written by a later version of weft, in a form this one misreads.',
    next: 'install the version that the other nodes run: weft node ls -o wide',
  },
  'call-unknown': {
    exit: 'failed',
    meaning: 'The weftd that was asked is of a version that does not know the call.',
    next: 'upgrade weft on that host, and start weftd again there: weft node ls -o wide',
  },
  'peer-away': { exit: 'away', meaning: 'Another node does not answer.', next: 'weft node ls' },
  'not-allowed': { exit: 'denied', meaning: 'The caller may not do this.', next: 'run as root on the node' },
  'configuration-invalid': {
    exit: 'usage',
    meaning: 'The configuration does not fit the schema; the message names the field.',
    next: 'correct /etc/weft/weft.yaml, the WEFT_ variable or the flag',
  },
  'underlay-ambiguous': {
    exit: 'failed',
    meaning: 'The host has several addresses that could carry the overlay.',
    next: 'set underlay.address or underlay.interface',
  },
  'overlay-port-taken': {
    exit: 'failed',
    meaning: 'Something else on the host uses the overlay UDP port.',
    next: 'stop it, or choose another port when the cluster is made',
  },
  'wrong-namespace': {
    exit: 'failed',
    meaning: 'weftd runs in a mount namespace of its own, where namespace files would vanish with it.',
    next: 'start weftd in the mount namespace of pid 1',
  },
  'already-running': { exit: 'conflict', meaning: 'Another weftd serves this host.', next: 'systemctl status weftd' },
  'lab-failed': {
    exit: 'failed',
    meaning: 'A lab could not be raised, changed or taken down.',
    next: 'weft lab status',
  },
  internal: { exit: 'failed', meaning: 'A fault of weft itself.', next: 'report it with the log of weftd' },
} as const satisfies Record<string, CatalogueEntry>;

export type ErrorCode = keyof typeof ERRORS;

export interface ErrorContext {
  /** The object the call was about: TENANT, TENANT/NETWORK, TENANT/NETWORK/ENDPOINT, or a kernel name. */
  object?: string;
  /** The node where it happened. */
  host?: string;
  /** The next command or step; the catalogue's when left out. */
  next?: string;
  cause?: unknown;
}

/** The shape shown by `-o json` and carried in gRPC status details. */
export interface ErrorReport {
  code: ErrorCode;
  message: string;
  object: string;
  host: string;
  cause: string;
  next: string;
}

export class WeftError extends Error {
  readonly code: ErrorCode;
  readonly object: string;
  readonly next: string;
  readonly host: string;

  constructor(code: ErrorCode, message: string, context: ErrorContext = {}) {
    super(message, context.cause === undefined ? undefined : { cause: context.cause });
    this.name = 'WeftError';
    this.code = code;
    this.object = context.object ?? '';
    this.host = context.host ?? '';
    this.next = context.next ?? ERRORS[code].next;
  }

  toReport(host: string): ErrorReport {
    return {
      code: this.code,
      message: this.message,
      object: this.object,
      host: this.host || host,
      cause: describeCause(this.cause),
      next: this.next,
    };
  }
}

/** An unknown throwable as a WeftError; what is not one already is `internal`. */
export function toWeftError(error: unknown): WeftError {
  if (error instanceof WeftError) return error;
  return new WeftError('internal', describeCause(error) || 'unknown fault', { cause: error });
}

/** "a: b: c" along the chain of causes; no stack, so that it can be shown to a user. */
export function describeCause(cause: unknown): string {
  const parts: string[] = [];
  for (let at = cause; at !== undefined && at !== null && parts.length < 8;) {
    if (at instanceof Error) {
      if (at.message) parts.push(at.message);
      at = at.cause;
    } else {
      parts.push(typeof at === 'string' ? at : JSON.stringify(at));
      break;
    }
  }
  return parts.join(': ');
}
