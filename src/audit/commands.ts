/** What mends a finding: commands as they are typed on the host that the finding names. */
import type { ClusterState } from '../model/cluster.ts';
import type { Endpoint } from '../model/objects.ts';
import { endpointName } from './names.ts';

/** What no command of weft brings about, and no fault outside of it. */
export const REPORT = 'weft doctor --bundle FILE, and report it';

/** weftd begins anew with what etcd and the kernel have. What it cannot repair then either, it says with the reason. */
export const BEGIN_ANEW = 'systemctl restart weftd; where that does not help, weft status says why';

/** Of what waits for a node that is behind. */
export const CATCH_UP = 'weft node ls; systemctl restart weftd on the one that is behind, or weft node forget it';

const PKI = '/var/lib/weft/pki';
const ETCDCTL = [
  'ETCDCTL_API=3 etcdctl --endpoints https://127.0.0.1:2379',
  `--cacert ${PKI}/ca.crt --cert ${PKI}/client.crt --key ${PKI}/client.key`,
].join(' ');

/** On a host that runs etcd. For records that no daemon counts as its own: nobody else would take them away. */
export function deleteRecord(key: string): string {
  return `${ETCDCTL} del /weft/v1/${key}`;
}

/** A container gets its interface and its addresses anew. */
export function attachAgain(state: ClusterState, endpoint: Endpoint): string {
  const container = state.descriptions.get(endpoint.id)?.container ?? endpoint.engine.container;
  const name = endpointName(state, endpoint);
  if (endpoint.engine.type === 'docker' && container) return `docker restart ${container.name}`;
  return `weft endpoint detach ${name}, and attach it again`;
}
