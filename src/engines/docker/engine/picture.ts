/** An engine as an audit compares it: asked anew, on a connection of its own. */
import type { EnginePicture } from '../../../control/examination/port.ts';
import { EngineApi } from './api.ts';
import { sightingOf } from './containers.ts';

/** Throws `engine-away` or the signal's reason. `driver`: weft's name in the engine. */
export async function pictureOfEngine(
  { socketPath, driver }: { socketPath: string; driver: string },
  signal: AbortSignal,
): Promise<EnginePicture> {
  const api = new EngineApi(socketPath);
  try {
    const [networks, containers] = [await api.networks(signal), await api.containers(signal)];
    return {
      engine: 'docker',
      networks: networks
        .filter(({ Driver }) => Driver === driver)
        .map(({ Id: engineId, Name: name }) => ({ engineId, name })),
      endpoints: containers
        .map(sightingOf)
        .flatMap(({ container, endpoints }) => endpoints.map((ids) => ({ ...ids, container: container.name }))),
    };
  } finally {
    await api.close();
  }
}
