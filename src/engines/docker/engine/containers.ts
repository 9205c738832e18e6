/** Containers as the engine lists them, as sightings of ours. Pure. */
import type { ContainerSighting } from '../../../control/engines/port.ts';
import type { DockerContainer } from './api.ts';

const COMPOSE_PROJECT = 'com.docker.compose.project';
/** Others keep their networks too, and after a crash of dockerd even the ids of endpoints that are gone. */
const ALIVE = new Set(['running', 'paused', 'restarting']);
const LABEL_PREFIX = 'weft.label.';

export function sightingOf(container: DockerContainer): ContainerSighting {
  return {
    container: {
      id: container.Id,
      name: nameOf(container),
      image: container.Image,
      project: container.Labels[COMPOSE_PROJECT] ?? '',
    },
    labels: labelsOf(container.Labels),
    endpoints: Object.values((ALIVE.has(container.State) && container.NetworkSettings?.Networks) || {})
      .filter(({ EndpointID }) => EndpointID !== '')
      .map(({ NetworkID, EndpointID }) => ({ engineId: NetworkID, endpointId: EndpointID })),
  };
}

/** "/web"; links add "/other/alias". */
function nameOf(container: DockerContainer): string {
  const own = container.Names.find((name) => name.lastIndexOf('/') === 0);
  return own?.slice(1) ?? container.Id.slice(0, 12);
}

/** All of the container's; `weft.label.app` is `app` here as it is with `--driver-opt`, and wins over a plain `app`. */
function labelsOf(labels: Record<string, string>): Record<string, string> {
  const plain = Object.entries(labels).filter(([key]) => !key.startsWith(LABEL_PREFIX));
  const ours = Object.entries(labels)
    .filter(([key]) => key.startsWith(LABEL_PREFIX) && key.length > LABEL_PREFIX.length)
    .map(([key, value]) => [key.slice(LABEL_PREFIX.length), value]);
  return Object.fromEntries([...plain, ...ours]) as Record<string, string>;
}
