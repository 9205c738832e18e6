import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Publication } from '../../../src/model/objects.ts';
import { socketsOf } from '../../../src/plan/ports/forwards.ts';
import { publishedServices } from '../../../src/plan/ports/services.ts';
import { routingOf } from '../../../src/plan/routing/picture.ts';
import { planHostEgress, planTenantRouting } from '../../../src/plan/routing/plan.ts';
import { clusterSettings, StateBuilder } from '../../support/cluster-state.ts';

const settings = clusterSettings();
const one = { node: 'one', settings };
const tcp = (hostPort: number, address = ''): Publication => ({ protocol: 'tcp', address, hostPort, port: 80 });

function states(): StateBuilder {
  return new StateBuilder()
    .tenant('acme')
    .node('one', '192.0.2.1')
    .node('two', '192.0.2.2')
    .network('acme', 'web', { vni: 0x100000 })
    .network('acme', 'in', { vni: 0x100001, internal: true });
}

function endpoint(builder: StateBuilder, id: string, node: string, ports: Publication[], network = 'acme-web') {
  const attachment = { mode: 'engine', sandbox: null } as const;
  return builder.endpoint(network, id, { node, addresses: ['10.10.0.10/16'], attachment, ports });
}

const forwardsOf = (...asked: Parameters<typeof routingOf>) => routingOf(...asked).forwards;

describe('published ports', () => {
  it('are planned on the host of the endpoint alone, by the families that it has', () => {
    const state = endpoint(states(), 'a', 'one', [tcp(8080), tcp(8081, '::')]).build();
    const [first, ...rest] = forwardsOf(state, one);
    expect(first).toMatchObject({
      host: { address: '0.0.0.0', port: 8080 },
      transit: { port: 8080 },
      container: { address: '10.10.0.10', port: 80 },
    });
    expect(rest).toEqual([]);
    expect(forwardsOf(state, { ...one, node: 'two' })).toEqual([]);
    expect(planHostEgress(state, one)?.ports?.hidden).toEqual([
      { link: expect.stringMatching(/^wu/) as string, ranges: ['10.10.0.0/16', '10.10.0.0/16'] },
    ]);
  });

  it('need no way out, which their tenant then does not have for anything else', () => {
    const state = endpoint(states().egress('acme', { off: true }), 'a', 'one', [tcp(8080)]).build();
    expect(planTenantRouting(state, 'acme', one)?.out).toMatchObject({ closed: true, ports: [{}] });
    expect(planHostEgress(state, one)?.uplinks).toMatchObject([{ closed: true }]);
    const without = endpoint(states().egress('acme', { off: true }), 'a', 'one', []).build();
    expect(planTenantRouting(without, 'acme', one)).toBeUndefined();
  });

  it('of internal networks lead nowhere, nor does the port of the overlay', () => {
    const internal = endpoint(states(), 'a', 'one', [tcp(8080)], 'acme-in').build();
    expect([forwardsOf(internal, one), publishedServices(internal)]).toEqual([[], []]);
    const overlay: Publication = { ...tcp(settings.overlayPort), protocol: 'udp' };
    expect(forwardsOf(endpoint(states(), 'a', 'one', [overlay]).build(), one)).toEqual([]);
  });

  it('are for everybody by the addresses of their node, and those of 127.0.0.1 for nobody else', () => {
    const ports = [tcp(8080), tcp(8081, '192.0.2.77'), tcp(8082, '127.0.0.1')];
    expect(publishedServices(endpoint(states(), 'a', 'two', ports).build())).toEqual([
      { address: '192.0.2.2', protocol: 'tcp', port: 8080 },
      { address: '192.0.2.77', protocol: 'tcp', port: 8081 },
    ]);
  });

  it('are told apart on the uplink, and who comes later moves nobody', () => {
    const address = fc.constantFrom('192.0.2.1', '192.0.2.2', '192.0.2.3', '127.0.0.1');
    const port = fc.constantFrom(80, 443, 65_535);
    const places = fc.uniqueArray(fc.tuple(address, port), { minLength: 1, maxLength: 12, selector: String });
    fc.assert(
      fc.property(places, (given) => {
        const builder = states();
        const names = given.map((_, i) => String.fromCharCode(97 + i));
        for (const [i, [where, hostPort]] of given.entries()) {
          endpoint(builder, names[i]!, 'one', [tcp(hostPort, where)]);
        }
        const all = forwardsOf(builder.build(), one);
        expect(new Set(all.map(({ transit }) => transit.port)).size).toBe(given.length);
        expect(socketsOf(all)).toHaveLength(given.length);
        builder.endpoints.delete(names.at(-1)!);
        const kept = all.filter((forward) => forward.endpoint !== names.at(-1));
        expect(forwardsOf(builder.build(), one)).toEqual(kept);
      }),
      { numRuns: 50 },
    );
  });
});
