import { spawn } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { createNamespace, deleteNamespace, NftSocket, openNamespace } from 'netlink-ts';
import type { Namespace } from 'netlink-ts';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FOREIGN_COMMENT, ForeignForward } from '../../src/kernel/foreign-forward.ts';
import { inside } from '../support/host-namespaces.ts';
import { until } from '../support/until.ts';

const folder = `/run/weft-test-${process.pid}-foreign`;
const path = `${folder}/host`;
let namespace: Namespace;
let nft: NftSocket;

beforeEach(() => {
  mkdirSync(folder, { recursive: true });
  createNamespace(path);
  namespace = openNamespace(path);
  nft = NftSocket.open({ netns: namespace.fd });
});

afterEach(() => {
  nft.close();
  namespace.close();
  deleteNamespace(path);
  rmSync(folder, { recursive: true });
});

const run = (command: string) => inside(path, 'sh', '-c', command);
/** Rules of ours as iptables lists them. */
const ours = (tool: 'iptables' | 'ip6tables') => run(`${tool} -S | grep '${FOREIGN_COMMENT}' || true`).split('\n');

describe('forward chains of others', () => {
  it('let uplinks pass in DOCKER-USER, where iptables goes on working, and at the head of one that drops', async () => {
    run('iptables -P FORWARD DROP && iptables -N DOCKER-USER && iptables -A DOCKER-USER -j RETURN');
    run('iptables -A FORWARD -j DOCKER-USER && iptables -A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT');
    run('ip6tables -P FORWARD DROP && ip6tables -A FORWARD -s fd00::/8 -j DROP');
    run(`nft -f - <<'.'
      table inet admin { chain open { type filter hook forward priority 0; policy accept; drop; }; }
.`);
    const foreign = new ForeignForward(nft);
    expect(await foreign.ensure(true)).toEqual({
      chains: ['ip filter DOCKER-USER', 'ip6 filter FORWARD'],
      refused: [],
      repaired: [],
    });
    for (const tool of ['iptables', 'ip6tables'] as const) {
      const chain = tool === 'iptables' ? 'DOCKER-USER' : 'FORWARD';
      const text = `-m comment --comment "${FOREIGN_COMMENT}" -j ACCEPT`;
      expect(ours(tool)).toEqual([`-A ${chain} -o wu+ ${text}`, `-A ${chain} -i wu+ ${text}`, '']);
    }
    expect(run('iptables -S DOCKER-USER | tail -1')).toBe('-A DOCKER-USER -j RETURN\n');
    expect(run('ip6tables -S FORWARD | tail -1')).toBe('-A FORWARD -s fd00::/8 -j DROP\n');
    run('iptables -A DOCKER-USER -s 192.0.2.9 -j DROP && iptables-save >/dev/null');
  });

  it('have the rules put back when others take them out, moved with the chain, and none in the end', async () => {
    run('iptables -P FORWARD DROP');
    const foreign = new ForeignForward(nft);
    await foreign.ensure(true);
    run('iptables -D FORWARD 1');
    expect(await foreign.ensure(true)).toEqual({
      chains: ['ip filter FORWARD'],
      refused: [],
      repaired: ['foreign-rules'],
    });
    expect(ours('iptables')).toHaveLength(3);
    // dockerd starts
    run('iptables -N DOCKER-USER && iptables -I FORWARD -j DOCKER-USER');
    expect(await foreign.ensure(true)).toEqual({ chains: ['ip filter DOCKER-USER'], refused: [], repaired: [] });
    expect(run('iptables -S FORWARD')).toBe('-P FORWARD DROP\n-A FORWARD -j DOCKER-USER\n');
    // the administrator opens the chain
    run('iptables -P FORWARD ACCEPT');
    expect(await foreign.ensure(true)).toEqual({ chains: [], refused: [], repaired: [] });
    expect(ours('iptables')).toEqual(['']);
    run('iptables -P FORWARD DROP');
    await foreign.ensure(true);
    // another daemon, which knows nothing of the first
    expect(await new ForeignForward(nft).ensure(false)).toEqual({ chains: [], refused: [], repaired: [] });
    expect(ours('iptables')).toEqual(['']);
  });

  it('keep one pair of rules through iptables-save and -restore, whose rules carry comments of their own kind', async () => {
    run('iptables -P FORWARD DROP && iptables -N DOCKER-USER && iptables -A FORWARD -j DOCKER-USER');
    const foreign = new ForeignForward(nft);
    await foreign.ensure(true);
    run(`iptables-save > ${folder}/rules && iptables -F && iptables -X && iptables -P FORWARD DROP`);
    expect(await foreign.ensure(true)).toMatchObject({ chains: ['ip filter FORWARD'] });
    run(`iptables-restore < ${folder}/rules`);
    expect(await foreign.ensure(true)).toMatchObject({ chains: ['ip filter DOCKER-USER'] });
    expect(run('iptables -S FORWARD')).toBe('-P FORWARD DROP\n-A FORWARD -j DOCKER-USER\n');
    expect(ours('iptables')).toHaveLength(3);
    await foreign.ensure(false);
    expect(ours('iptables')).toEqual(['']);
  });

  it('have the rules at their head when nothing leads to DOCKER-USER any more', async () => {
    run('iptables -P FORWARD DROP && iptables -N DOCKER-USER && iptables -A FORWARD -j DOCKER-USER');
    const foreign = new ForeignForward(nft);
    expect((await foreign.ensure(true)).chains).toEqual(['ip filter DOCKER-USER']);
    run('iptables -F FORWARD');
    expect((await foreign.ensure(true)).chains).toEqual(['ip filter FORWARD']);
    expect(run('iptables -S DOCKER-USER')).toBe('-N DOCKER-USER\n');
  });

  it('that only their owner may change are told, and keep no other chain from its rules', async () => {
    const owner = spawn('nsenter', [`--net=${path}`, 'nft', '-i'], { stdio: ['pipe', 'ignore', 'inherit'] });
    try {
      owner.stdin.write('add table ip closed { flags owner; }\n');
      owner.stdin.write('add chain ip closed pass { type filter hook forward priority 0; policy drop; }\n');
      await until(() => run('nft list chains').includes('chain pass'), { what: 'the chain of an owner' });
      run('ip6tables -P FORWARD DROP');
      const found = await new ForeignForward(nft).ensure(true);
      expect(found).toEqual({ chains: ['ip6 filter FORWARD'], refused: ['ip closed pass'], repaired: [] });
      expect(ours('ip6tables')).toHaveLength(3);
    } finally {
      owner.kill('SIGKILL');
    }
  });

  it('are looked at again when others wrote to them meanwhile', async () => {
    run('iptables -P FORWARD DROP');
    const foreign = new ForeignForward(nft);
    const readRules = nft.readRules.bind(nft);
    const reading = vi.spyOn(nft, 'readRules').mockImplementation(async (...words) => {
      const rules = await readRules(...words);
      run(
        'nft add table ip later && nft add chain ip later pass "{ type filter hook forward priority 0; policy drop; }"',
      );
      return rules;
    });
    expect((await foreign.ensure(true)).chains).toEqual([]);
    expect(ours('iptables')).toEqual(['']);
    reading.mockRestore();
    expect((await foreign.ensure(true)).chains).toEqual(['ip filter FORWARD', 'ip later pass']);
  });
});
