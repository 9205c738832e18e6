/**
 * The steps of a use case, and of a call of Docker, between which weftd may end. A test has it end there (src/failpoints.ts
 * does it, in a daemon that was started for that), and looks at what is left of the call and what becomes of it.
 */

export const FAILPOINTS = [
  // Docker's call has come, and nothing of it is done: whatever Docker then sends again has no body
  ...[
    'docker.RequestPool',
    'docker.RequestAddress',
    'docker.CreateNetwork',
    'docker.CreateEndpoint',
    'docker.Join',
    'docker.ProgramExternalConnectivity',
    'docker.RevokeExternalConnectivity',
    'docker.Leave',
    'docker.DeleteEndpoint',
    'docker.ReleaseAddress',
    'docker.DeleteNetwork',
    'docker.ReleasePool',
  ],
  // the transaction is written, and whoever asked was not answered
  ...['pool.recorded', 'address.recorded', 'network.recorded', 'endpoint.recorded', 'join.recorded', 'attach.recorded'],
  ...['detach.recorded', 'address.released', 'pool.released', 'network.unbound', 'network.dropped'],
  // this host's kernel has what was written, too
  ...['join.plumbed', 'attach.plumbed', 'detach.applied'],
] as const;

export type Failpoint = (typeof FAILPOINTS)[number];

/** Resolves, if it returns at all, when the step may go on. A daemon that is not under test has none to call. */
export type AtFailpoint = (step: Failpoint) => Promise<void> | undefined;
