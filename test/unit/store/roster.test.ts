import { describe, expect, it } from 'vitest';
import { countAlive, learnedEndpoints, type Known, type Listed } from '../../../src/store/roster.ts';

const seed = (endpoint: string, memberId?: string): Known => ({
  endpoint,
  seed: true,
  alive: memberId !== undefined,
  memberId,
});
const learned = (endpoint: string, memberId?: string): Known => ({ ...seed(endpoint, memberId), seed: false });
const member = (id: string, ...clientUrls: string[]): Listed => ({ id, clientUrls, learner: false });

describe('the endpoints to learn', () => {
  it('are one for each member that no configured endpoint leads to', () => {
    const known = [seed('https://192.0.2.1:2379', 'a')];
    const listed = [member('a', 'https://host1:2379'), member('b', 'https://192.0.2.2:2379', 'https://host2:2379')];
    expect(learnedEndpoints(known, listed)).toEqual(['https://192.0.2.2:2379']);
  });

  it('include another address of a configured member that does not answer', () => {
    const known = [seed('https://192.0.2.1:2379'), seed('https://192.0.2.2:2379', 'b')];
    expect(learnedEndpoints(known, [member('a', 'https://192.0.2.9:2379'), member('b', 'https://h:2379')])).toEqual([
      'https://192.0.2.9:2379',
    ]);
  });

  it('stay while their member is listed, and go with it', () => {
    const known = [seed('https://192.0.2.1:2379', 'a'), learned('https://192.0.2.2:2379', 'b')];
    const both = [member('a', 'https://192.0.2.1:2379'), member('b', 'https://192.0.2.2:2379')];
    expect(learnedEndpoints(known, both)).toEqual(['https://192.0.2.2:2379']);
    expect(learnedEndpoints(known, both.slice(0, 1))).toEqual([]);
  });

  it('are never in clear, this host’s own, or not addresses at all', () => {
    const known = [seed('https://192.0.2.1:2379', 'a')];
    const urls = [
      'http://192.0.2.2:2379',
      'https://127.0.0.1:2379',
      'https://[::1]:2379',
      'https://localhost:2379',
      'https://0.0.0.0:2379',
      'https://user@192.0.2.2:2379',
      'unix:/run/etcd',
      'nonsense',
    ];
    expect(learnedEndpoints(known, [member('b', ...urls)])).toEqual([]);
    expect(learnedEndpoints(known, [member('b')])).toEqual([]);
  });

  it('may be loopback’s where a configured one is', () => {
    const known = [seed('https://127.0.0.1:2379', 'a')];
    expect(learnedEndpoints(known, [member('b', 'https://127.0.0.1:2381')])).toEqual(['https://127.0.0.1:2381']);
  });

  it('leave learners aside, and are bounded', () => {
    const known = [seed('https://192.0.2.1:2379', 'a')];
    expect(learnedEndpoints(known, [{ ...member('b', 'https://192.0.2.2:2379'), learner: true }])).toEqual([]);
    const many = Array.from({ length: 100 }, (_, n) => member(`m${n}`, `https://198.51.100.${n}:2379`));
    expect(learnedEndpoints(known, many)).toHaveLength(16);
  });
});

describe('how many members answer', () => {
  it('is counted by endpoint until the list is known', () => {
    expect(countAlive([seed('https://h1:1', 'a'), seed('https://h2:1')], undefined)).toEqual({ alive: 1, total: 2 });
  });

  it('is counted by member then, however many addresses lead to it', () => {
    const known = [seed('https://127.0.0.1:1', 'a'), learned('https://h1:1', 'a'), seed('https://gone:1')];
    expect(countAlive(known, [member('a'), member('b')])).toEqual({ alive: 1, total: 2 });
    expect(countAlive(known, [member('a')])).toEqual({ alive: 1, total: 1 });
  });

  it('is not none while somebody answers whom the list does not have yet', () => {
    expect(countAlive([seed('https://h1:1', 'new')], [member('a')])).toEqual({ alive: 1, total: 1 });
  });
});
