import { describe, expect, it } from 'vitest';
import { countAlive, learnedEndpoints, toldEndpoints, type Known, type Listed } from '../../../src/store/roster.ts';

const configured = (endpoint: string, memberId?: string): Known => ({
  endpoint,
  source: 'configured',
  alive: memberId !== undefined,
  memberId,
});
const learned = (endpoint: string, memberId?: string): Known => ({
  ...configured(endpoint, memberId),
  source: 'learned',
});
const told = (endpoint: string, memberId?: string): Known => ({ ...configured(endpoint, memberId), source: 'told' });
const member = (id: string, ...clientUrls: string[]): Listed => ({ id, clientUrls, learner: false });

describe('the endpoints to learn', () => {
  it('are one for each member that no configured endpoint leads to', () => {
    const known = [configured('https://192.0.2.1:2379', 'a')];
    const listed = [member('a', 'https://host1:2379'), member('b', 'https://192.0.2.2:2379', 'https://host2:2379')];
    expect(learnedEndpoints(known, listed)).toEqual(['https://192.0.2.2:2379']);
  });

  it('include another address of a configured member that does not answer', () => {
    const known = [configured('https://192.0.2.1:2379'), configured('https://192.0.2.2:2379', 'b')];
    expect(learnedEndpoints(known, [member('a', 'https://192.0.2.9:2379'), member('b', 'https://h:2379')])).toEqual([
      'https://192.0.2.9:2379',
    ]);
  });

  it('stay while their member is listed, and go with it', () => {
    const known = [configured('https://192.0.2.1:2379', 'a'), learned('https://192.0.2.2:2379', 'b')];
    const both = [member('a', 'https://192.0.2.1:2379'), member('b', 'https://192.0.2.2:2379')];
    expect(learnedEndpoints(known, both)).toEqual(['https://192.0.2.2:2379']);
    expect(learnedEndpoints(known, both.slice(0, 1))).toEqual([]);
  });

  it('are never in clear, this host’s own, or not addresses at all', () => {
    const known = [configured('https://192.0.2.1:2379', 'a')];
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
    const known = [configured('https://127.0.0.1:2379', 'a')];
    expect(learnedEndpoints(known, [member('b', 'https://127.0.0.1:2381')])).toEqual(['https://127.0.0.1:2381']);
  });

  it('leave learners aside, and are bounded', () => {
    const known = [configured('https://192.0.2.1:2379', 'a')];
    expect(learnedEndpoints(known, [{ ...member('b', 'https://192.0.2.2:2379'), learner: true }])).toEqual([]);
    const many = Array.from({ length: 100 }, (_, n) => member(`m${n}`, `https://198.51.100.${n}:2379`));
    expect(learnedEndpoints(known, many)).toHaveLength(16);
  });
});

describe('the endpoints that another node tells', () => {
  const known = [configured('https://192.0.2.1:2379', 'a')];

  it('are those that may be used, each once, and bounded', () => {
    const urls = ['https://192.0.2.9:2379', 'http://192.0.2.9:2379', 'https://127.0.0.1:2379', 'nonsense'];
    expect(toldEndpoints(known, [...urls, ...urls])).toEqual(['https://192.0.2.9:2379']);
    const many = Array.from({ length: 100 }, (_, n) => `https://198.51.100.${n}:2379`);
    expect(toldEndpoints(known, many)).toHaveLength(16);
  });

  it('open no way to loopback', () => {
    const both = [...known, told('https://127.0.0.1:1')];
    expect(toldEndpoints(both, ['https://127.0.0.1:2379'])).toEqual([]);
  });

  it('are not learned a second time', () => {
    const both = [configured('https://192.0.2.1:2379'), told('https://192.0.2.9:2379', 'a')];
    expect(learnedEndpoints(both, [member('a', 'https://192.0.2.9:2379')])).toEqual([]);
    const silent = [configured('https://192.0.2.1:2379'), told('https://192.0.2.9:2379')];
    expect(learnedEndpoints(silent, [member('a', 'https://192.0.2.9:2379')])).toEqual([]);
  });
});

describe('how many members answer', () => {
  it('is counted by endpoint until the list is known', () => {
    expect(countAlive([configured('https://h1:1', 'a'), configured('https://h2:1')], undefined)).toEqual({
      alive: 1,
      total: 2,
    });
  });

  it('is counted by member then, however many addresses lead to it', () => {
    const known = [configured('https://127.0.0.1:1', 'a'), learned('https://h1:1', 'a'), configured('https://gone:1')];
    expect(countAlive(known, [member('a'), member('b')])).toEqual({ alive: 1, total: 2 });
    expect(countAlive(known, [member('a')])).toEqual({ alive: 1, total: 1 });
  });

  it('is not none while somebody answers whom the list does not have yet', () => {
    expect(countAlive([configured('https://h1:1', 'new')], [member('a')])).toEqual({ alive: 1, total: 1 });
  });
});
