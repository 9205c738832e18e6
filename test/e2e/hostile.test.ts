/** A hostile container (hostile/scene.ts) against its own network, another tenant and the hosts, and what it counts for there. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EndpointView } from '../../src/control/port.ts';
import { CONNECTIONS } from '../../src/kernel/ceilings.ts';
import { labUp } from '../../src/lab/lab.ts';
import type { Lab } from '../../src/lab/lab.ts';
import { OUTSIDE } from '../../src/lab/underlay.ts';
import { json } from '../support/docker.ts';
import type { Forgery } from '../support/forgeries.ts';
import { BROADCAST } from '../support/frames.ts';
import { until } from '../support/until.ts';
import { direct, encapsulated, encapsulatedName, OVERLAY_PORT } from './hostile/crossings.ts';
import { fill, FLOOD, joinNetworks, pingMeanwhile, SCAN, sendFloods } from './hostile/floods.ts';
import { bridgeForeign } from './hostile/foreign.ts';
import { forgeriesOf, tracesOf } from './hostile/forging.ts';
import { movesAsItIsTold } from './hostile/moving-address.ts';
import { HostileScene, PUBLISHED } from './hostile/scene.ts';

let lab: Lab;
let scene: HostileScene;

beforeAll(async () => {
  lab = await labUp({ name: `hostile-${process.pid}`, hosts: 2, engine: 'none' });
  scene = await HostileScene.raise(lab, await bridgeForeign(lab.host(1)));
});

afterAll(async () => {
  scene.end();
  await lab.down();
});

function counts(forged: readonly Forgery[]): Record<string, number> {
  const byReason: Record<string, number> = {};
  for (const { reason } of forged) byReason[reason] = (byReason[reason] ?? 0) + 1;
  return byReason;
}

const evilOn = (host: number) => json<EndpointView>(lab.host(host), 'weft', 'endpoint', 'inspect', 'crook/web/evil');

describe('a hostile container', () => {
  it('forges nothing that arrives anywhere, and its host counts why', async () => {
    const forged = forgeriesOf(scene);
    expect(await scene.arrivals({ evil: forged.map(({ frame }) => frame) }, tracesOf(forged))).toEqual([]);
    const { drops } = await evilOn(1);
    for (const [reason, count] of Object.entries(counts(forged))) {
      expect({ reason, enough: (drops[reason] ?? 0) >= count }).toEqual({ reason, enough: true });
    }
    expect((await evilOn(2)).drops).toEqual({});
  });

  it('reaches no other tenant: not by the gateway, not by MAC, not by broadcast', async () => {
    const { frames, traces } = direct(scene);
    // Broadcasts are its own network's, and v1 stands there.
    const found = await scene.arrivals({ evil: frames }, traces);
    expect(found.filter((what) => !what.endsWith('at v1'))).toEqual([]);
    expect(found.every((what) => what.includes(BROADCAST))).toBe(true);
  });

  it.each([
    ['a container of weft', 'evil'],
    ['a container of Docker’s own', 'foreign'],
  ] as const)('sends VXLAN from %s by published ports to who publishes them, and into no overlay', async (_, from) => {
    const { frames, traces } = encapsulated(scene, from);
    const found = await scene.arrivals({ [from]: frames }, traces);
    expect(found.filter((what) => /at bank[12]$/.test(what))).toEqual([]);
    expect(found.filter((what) => what.includes(`port ${OVERLAY_PORT}`))).toEqual([]);
    const arrived = [1, 2].flatMap((host) =>
      [4, 6].map((family) => ({ from, to: `host${host}`, port: PUBLISHED, family, at: `v${host}` })),
    );
    for (const { at, ...way } of arrived) expect(found).toContain(`${encapsulatedName(way, 'bank1')} at ${at}`);
  });

  it('fills no table with scans and floods, while others lose nothing', async () => {
    await joinNetworks(scene);
    const before = await fill(scene);
    const { ipv4, ipv6 } = scene.party('v2');
    const pings = [ipv4, ipv6, OUTSIDE.ipv4, OUTSIDE.ipv6].map((to) => pingMeanwhile(scene, 'v1', to));
    const flooded = () => {
      sendFloods(scene);
      return pings.every(({ answered }) => answered() > 100);
    };
    // A fast machine is through with them before the pings are worth a check.
    await until(flooded, { what: 'a hundred pings beside floods', deadline: 30_000 });
    for (const { sent, lost } of await Promise.all(pings.map(({ end }) => end()))) {
      expect({ enough: sent > 100, lost }).toEqual({ enough: true, lost: 0 });
    }
    const after = await fill(scene);
    for (const count of after.connections) expect(count).toBeLessThan(CONNECTIONS + 1_000);
    expect(after.neighbours).toBeLessThan(before.neighbours + 20);
    expect(after.entries).toBe(before.entries);
    const { drops } = await evilOn(1);
    expect(drops['unknown-target']).toBeGreaterThan(SCAN + FLOOD - 1_000);
    expect(drops['source-mac']).toBeGreaterThanOrEqual(SCAN);
    expect(drops['source-address']).toBeGreaterThanOrEqual(FLOOD);
    expect(drops['connections']).toBeGreaterThan(2 * FLOOD);
  });
});

describe('an address that moves', () => movesAsItIsTold(() => scene));
