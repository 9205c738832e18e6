import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { JoinGate } from '../../../src/control/joining.ts';
import { revokedSerials } from '../../../src/control/membership.ts';
import { Housekeeping } from '../../../src/control/housekeeping.ts';
import type { Control } from '../../../src/control/port.ts';
import { certifyNode, createAuthority } from '../../../src/trust/authority.ts';
import { makeRequest } from '../../../src/trust/certificate.ts';
import { noTrust, TestCluster } from '../../support/control.ts';

let cluster: TestCluster;
let folder: string;
let control: Control;
let deps: Awaited<ReturnType<TestCluster['node']>>['deps'];
beforeEach(async () => {
  cluster = new TestCluster();
  folder = mkdtempSync(join(tmpdir(), 'weft-membership-'));
  ({ control, deps } = await cluster.node('host1'));
});
afterEach(async () => {
  await cluster.close();
  rmSync(folder, { recursive: true });
});

/** This node gets a CA; its tokens are of the simplest kind. */
async function holdCa(): Promise<void> {
  const authority = await createAuthority(folder);
  Object.assign(deps, {
    trust: {
      ...noTrust,
      ca: authority.certificate,
      isSecretOf: (hash: string, secret: string) => hash === secret,
      newToken: () => ({ id: 'aaaaaaaaaa', hash: 'right', text: 'weft1.x' }),
      certify: (node: Parameters<typeof certifyNode>[1], csr: Parameters<typeof certifyNode>[2]) =>
        certifyNode(authority, node, csr),
    },
  });
}

async function request(changes: object = {}) {
  const { csr } = await makeRequest('x');
  return { tokenId: 'aaaaaaaaaa', secret: 'right', name: 'host2', nodeCsr: csr, clientCsr: csr, ...changes };
}

describe('join', () => {
  it('takes exactly as many hosts as a token has uses, also when they come at once', async () => {
    await holdCa();
    await control.createToken({ ttlSeconds: 60, uses: 3 });
    const hosts = await Promise.all(Array.from({ length: 8 }, (_, i) => request({ name: `new${i}` })));
    const results = await Promise.allSettled(hosts.map((host) => control.join(host)));
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(3);
    expect(await control.listTokens()).toEqual([]);
    // two certificates on record for each that was let in
    expect(await cluster.keys('certificates/')).toHaveLength(6);
  });

  it('gives nothing for a wrong, an unknown or an expired token, and says the same of the first two', async () => {
    await holdCa();
    await control.createToken({ ttlSeconds: 60, uses: 1 });
    const messages: string[] = [];
    for (const changes of [{ secret: 'wrong' }, { tokenId: 'bbbbbbbbbb' }]) {
      await control.join(await request(changes)).catch((error: unknown) => messages.push(String(error)));
    }
    expect(new Set(messages).size).toBe(1);
    Object.assign(deps, { now: () => new Date('2026-01-01T00:01:00Z') });
    await expect(control.join(await request())).rejects.toThrow(/expired/);
    expect(await cluster.keys('certificates/')).toEqual([]);
    await new Housekeeping(deps).round(new AbortController().signal);
    expect(await cluster.keys('tokens/')).toEqual([]);
  });

  it('is refused by a node without the CA, which names one that has it', async () => {
    const { deps: other } = await cluster.node('signer');
    await other.store.transact({
      compare: [],
      then: [
        {
          put: `nodes/${other.node.id}`,
          value: { ...other.view.current().state.nodes.get(other.node.id), signs: true, api: '192.0.2.9:7781' },
        },
      ],
    });
    await deps.view.sync({ deadline: 1_000 });
    await expect(control.join(await request())).rejects.toMatchObject({
      code: 'not-signing',
      next: 'weft node join 192.0.2.9:7781 --token TOKEN',
    });
  });

  it('tells who has no token nothing, not even which names there are', async () => {
    await holdCa();
    for (const name of ['host1', 'Not A Name']) {
      await expect(control.join(await request({ name }))).rejects.toMatchObject({ code: 'token-invalid' });
    }
  });

  it('keeps the token whole when the host asks for what it cannot have', async () => {
    await holdCa();
    await control.createToken({ ttlSeconds: 60, uses: 1 });
    await expect(control.join(await request({ name: 'host1' }))).rejects.toMatchObject({ code: 'name-taken' });
    await expect(control.join(await request({ nodeCsr: 'x' }))).rejects.toMatchObject({ code: 'invalid-argument' });
    expect((await control.listTokens()).map(({ uses }) => uses)).toEqual([1]);
    await control.join(await request());
  });

  it('shuts out an address that guesses, and no other', async () => {
    await holdCa();
    await control.createToken({ ttlSeconds: 60, uses: 1 });
    const from = (address: string) => ({ peer: { node: undefined, address } });
    const guess = async () => control.join(await request({ secret: 'wrong' }), from('192.0.2.66'));
    await expect(guess()).rejects.toThrow(/wrong/);
    for (let i = 0; i < 30; i++) await expect(guess()).rejects.toMatchObject({ code: 'token-invalid' });
    await expect(guess()).rejects.toThrow(/too many/);
    await control.join(await request(), from('192.0.2.67'));
  });
});

describe('the gate', () => {
  it('lets a flood of wrong tokens through at one a second', () => {
    let now = 0;
    const gate = new JoinGate(() => now);
    for (let i = 0; i < 20; i++) {
      gate.enter('a');
      gate.refused('a');
    }
    expect(() => gate.enter('a')).toThrow(/too many/);
    gate.enter('b');
    now += 1_000;
    gate.enter('a');
    gate.refused('a');
    expect(() => gate.enter('a')).toThrow(/too many/);
    now += 3_600_000;
    gate.enter('a');
  });

  it('remembers the addresses refused last, and only so many', () => {
    const gate = new JoinGate(() => 0);
    for (let i = 0; i < 20; i++) gate.refused('first');
    for (let i = 0; i < 1_023; i++) gate.refused(`other ${i}`);
    expect(() => gate.enter('first')).toThrow(/too many/);
    gate.refused('one more');
    gate.enter('first');
  });
});

describe('a forgotten node', () => {
  it('is refused renewal, registration and a place among the nodes', async () => {
    await holdCa();
    const { deps: other } = await cluster.node('host2');
    await expect(control.forgetNode({ ref: 'host2', force: false })).rejects.toMatchObject({ code: 'node-live' });
    await control.forgetNode({ ref: 'host2', force: true });
    const { nodeCsr, clientCsr } = await request();
    const renewal = control.renew({ nodeCsr, clientCsr }, { peer: { node: other.node.id, address: '192.0.2.2' } });
    await expect(renewal).rejects.toMatchObject({ code: 'node-forgotten' });
    await expect(control.renew({ nodeCsr, clientCsr }, {})).rejects.toMatchObject({ code: 'unauthenticated' });
    expect((await control.listNodes()).map(({ name }) => name)).toEqual(['host1']);
    await expect(control.forgetNode({ ref: 'host1', force: true })).rejects.toMatchObject({ code: 'not-supported' });
    await expect(control.forgetNode({ ref: 'host2', force: true })).rejects.toMatchObject({ code: 'node-not-found' });
  });

  it('may be one that joined and never started', async () => {
    await holdCa();
    await control.createToken({ ttlSeconds: 60, uses: 1 });
    const { nodeId } = await control.join(await request());
    const { nodeCsr, clientCsr } = await request();
    await control.forgetNode({ ref: nodeId, force: false });
    const peer = { node: nodeId, address: '192.0.2.2' };
    await expect(control.renew({ nodeCsr, clientCsr }, { peer })).rejects.toMatchObject({ code: 'node-forgotten' });
    await expect(control.forgetNode({ ref: nodeId, force: false })).rejects.toMatchObject({ code: 'node-not-found' });
    expect(revokedSerials(deps)).toHaveLength(2);
  });

  it('says so itself, as a node does whose certificates are late', async () => {
    const { control: its, deps: other } = await cluster.node('host2');
    const conditions = async () => (await its.status()).conditions.map(({ type }) => type);
    expect(await conditions()).toEqual([]);
    await control.forgetNode({ ref: 'host2', force: true });
    await other.view.sync({ deadline: 1_000 });
    expect(await conditions()).toEqual(['node-forgotten']);
    Object.assign(other, { now: () => new Date('2026-12-01T00:00:00Z') });
    expect(await conditions()).toEqual(['node-forgotten', 'certificate-late']);
  });
});
