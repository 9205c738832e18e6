import { describe, expect, it } from 'vitest';
import { conditionFindings } from '../../../src/doctor/conditions.ts';
import { hostFindings } from '../../../src/reconcile/host-conditions.ts';

const FORWARDS = { ipv4: true, ipv6: true };

describe('chains of others that drop what they forward', () => {
  it('are told as they are: ours let tenants pass, or nobody but the owner can', () => {
    const found = hostFindings(FORWARDS, FORWARDS, {
      chains: ['ip filter DOCKER-USER'],
      refused: ['inet firewalld filter_FORWARD'],
    });
    expect(found.map(({ type, object }) => [type, object])).toEqual([
      ['foreign-rules', 'ip filter DOCKER-USER'],
      ['foreign-closed', 'inet firewalld filter_FORWARD'],
    ]);
    const [finding, ...more] = conditionFindings(
      'host1',
      found.map((one) => ({ ...one, since: '2026-01-01T00:00:00.000Z' })),
    );
    expect(more).toEqual([]);
    expect(finding).toMatchObject({
      code: 'foreign-closed',
      command: expect.stringContaining('--add-interface=wu+') as string,
    });
  });
});
