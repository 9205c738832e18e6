/** A node's kernel against its plan: what the loop would have repaired by now, and what it does not look at. Pure. */
import type { Finding } from '../model/finding.ts';
import type { Drift } from '../plan/kernel-picture.ts';
import { attachAgain, BEGIN_ANEW } from './commands.ts';
import { endpointName } from './names.ts';
import type { NodePicture } from './pictures.ts';

export function auditKernel({ node, state, kernel }: NodePicture): Finding[] {
  if (!kernel) return [];
  const gone = kernel.sandboxes.filter(({ stands }) => !stands);
  const withoutSandbox = new Set(gone.map(({ endpoint }) => endpoint));
  const finding = (code: string, object: string, evidence: string, command: string): Finding => ({
    ...{ code, node: node.name, object, evidence, command },
  });
  return [
    ...gone.map(({ endpoint: id, path }) => {
      const endpoint = state.endpoints.get(id);
      const command = endpoint ? attachAgain(state, endpoint) : BEGIN_ANEW;
      const object = endpoint ? endpointName(state, endpoint) : id;
      return finding('sandbox-gone', object, `the network namespace ${path} of its container is gone`, command);
    }),
    ...kernel.drift
      // An interface cannot stand without its container: that is said above.
      .filter(({ endpoint }) => !withoutSandbox.has(endpoint))
      .map((drift) => finding('kernel-drift', objectOf(drift), evidenceOf(drift), BEGIN_ANEW)),
    ...kernel.missingNamespaces.map((name) =>
      finding('namespace-missing', name, `there is no namespace for what ${name} has on this host`, BEGIN_ANEW),
    ),
    ...kernel.staleNamespaces.map((name) =>
      finding('namespace-stale', name, 'nothing of this host belongs into that namespace', 'systemctl restart weftd'),
    ),
    ...kernel.ownerlessLinks.map((name) =>
      finding(
        'link-without-owner',
        name,
        'a link with the mark of weft in the namespace of the host, for no endpoint or tenant of this node',
        `ip link delete ${name}`,
      ),
    ),
    ...kernel.foreignLinks.map(({ namespace, name }) =>
      finding(
        'link-foreign',
        `${namespace}: ${name}`,
        'a link without the mark of weft has a name that weft uses',
        `nsenter --net=/run/weft/netns/${namespace} ip link delete ${name}`,
      ),
    ),
  ];
}

function objectOf({ namespace, object }: Drift): string {
  return `${namespace || 'host'}: ${object}`;
}

function evidenceOf({ state, fields }: Drift): string {
  switch (state) {
    case 'missing':
      return 'the plan of this host has it, the kernel does not, and weftd has not repaired it';
    case 'unwanted':
      return 'the kernel has it, the plan of this host does not, and weftd has not taken it away';
    case 'different':
      return `the kernel has it with another ${fields.join(', ')} than the plan, and weftd has not repaired it`;
  }
}
