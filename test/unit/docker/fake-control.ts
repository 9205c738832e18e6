import type { EngineControl } from '../../../src/control/engines/port.ts';
import type { EndpointView, NetworkView } from '../../../src/control/port.ts';

export interface Recorded {
  method: keyof EngineControl;
  request: unknown;
}

export const endpointView: EndpointView = {
  id: 'E',
  name: 'docker-abc',
  tenant: 'acme',
  network: 'web',
  node: 'host1',
  addresses: ['10.99.0.2/24'],
  mac: '02:11:22:33:44:55',
  mtu: 1450,
  engine: { type: 'docker', networkId: '', endpointId: '', container: null },
  sandbox: '',
  labels: {},
  state: 'ready',
  published: true,
  createdAt: '',
  revision: 1,
  drops: {},
  shared: [],
};

/** Answers as a cluster with one network 10.99.0.0/24 would, and keeps what it was asked. */
export function fakeControl(overrides: Partial<EngineControl> = {}): { control: EngineControl; calls: Recorded[] } {
  const calls: Recorded[] = [];
  const answers: EngineControl = {
    requestPool: (request) => Promise.resolve({ id: 'P1', cidr: request.cidr || '10.99.0.0/24' }),
    releasePool: () => Promise.resolve(),
    requestAddress: (request) => Promise.resolve({ address: `${request.address || '10.99.0.2'}/24` }),
    releaseAddress: () => Promise.resolve(),
    bindNetwork: () => Promise.resolve({} as NetworkView),
    unbindNetwork: () => Promise.resolve(),
    createEndpoint: () => Promise.resolve(endpointView),
    joinEndpoint: () =>
      Promise.resolve({
        interfaceName: 'wc0123456789a',
        gateway4: '10.99.0.1',
        gateway6: '',
        routes: [],
        links: [],
        endpoint: endpointView,
      }),
    deleteEndpoint: () => Promise.resolve(),
    publishPorts: () => Promise.resolve(),
    unpublishPorts: () => Promise.resolve(),
    ...overrides,
  };
  const control = Object.fromEntries(
    Object.entries(answers).map(([name, answer]) => [
      name,
      (request: unknown, context: unknown) => {
        calls.push({ method: name as keyof EngineControl, request });
        return (answer as (request: unknown, context: unknown) => unknown)(request, context);
      },
    ]),
  ) as unknown as EngineControl;
  return { control, calls };
}
