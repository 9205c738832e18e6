import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isDue } from '../../../src/renewal.ts';
import { newId } from '../../../src/model/names.ts';
import { certifyNode, createAuthority, issueNodeCertificate, openAuthority } from '../../../src/trust/authority.ts';
import type { Authority } from '../../../src/trust/authority.ts';
import { makeRequest, signRevocations } from '../../../src/trust/certificate.ts';
import { loadIdentity, nodeIdOf, saveIdentity } from '../../../src/trust/identity.ts';
import { IdentityKeeper } from '../../../src/trust/keeper.ts';
import { nodeOfPeer } from '../../../src/trust/peer.ts';
import { formatToken, hashSecret, isSecretOf, makeToken, parseToken, pinOf } from '../../../src/trust/token.ts';

let folder: string;
let authority: Authority;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'weft-trust-'));
  authority = await createAuthority(join(folder, 'ca'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const node = (nodeId = newId()) => ({ nodeId, name: 'host2', addresses: ['192.0.2.2'] });

describe('tokens', () => {
  it('are read back as they were made, and pin the CA’s key', () => {
    const token = makeToken(authority.certificate);
    expect(parseToken(` ${formatToken(token)}\n`)).toEqual(token);
    expect(token.pin).toBe(pinOf(new X509Certificate(authority.certificate)));
    expect(makeToken(authority.certificate).secret).not.toBe(token.secret);
  });

  it('that are none are refused without being repeated', () => {
    const text = formatToken(makeToken(authority.certificate));
    fc.assert(
      fc.property(fc.integer({ min: 0, max: text.length - 1 }), (at) => {
        const damaged = text.slice(0, at) + text.slice(at + 1);
        expect(() => parseToken(damaged)).toThrow(/^token: is not one/);
        expect(() => parseToken(damaged)).not.toThrow(damaged);
      }),
    );
  });

  it('are known by a hash of their secret alone', () => {
    const { secret } = makeToken(authority.certificate);
    expect(isSecretOf(hashSecret(secret), secret)).toBe(true);
    for (const other of ['', `${secret}x`, secret.slice(1)]) expect(isSecretOf(hashSecret(secret), other)).toBe(false);
    expect(isSecretOf('not hex', secret)).toBe(false);
  });
});

describe('signing requests', () => {
  it('get what the authority gives, whatever they ask for', async () => {
    const { nodeId } = node();
    const greedy = await makeRequest('weft cluster CA');
    const client = await makeRequest('root');
    const issued = await certifyNode(authority, node(nodeId), { node: greedy.csr, client: client.csr });
    const certificate = new X509Certificate(issued.node);
    expect([certificate.subject, certificate.ca, nodeIdOf(certificate)]).toEqual([
      `CN=${nodeId}\nO=weft node`,
      false,
      nodeId,
    ]);
    expect(certificate.subjectAltName).not.toContain('root');
    expect(new X509Certificate(issued.client).subjectAltName).toBe(`URI:weft://node/${nodeId}`);
  });

  it('that are garbage, or not signed with their own key, are refused by their field', async () => {
    const { csr } = await makeRequest('x');
    const bytes = Buffer.from(csr.replace(/-----[^-]+-----|\n/g, ''), 'base64');
    // the last bytes are the signature's
    bytes.writeUInt8(bytes.readUInt8(bytes.length - 3) ^ 1, bytes.length - 3);
    const forged = `-----BEGIN CERTIFICATE REQUEST-----\n${bytes.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
    for (const bad of ['', 'x', authority.certificate, forged]) {
      const work = certifyNode(authority, node(), { node: csr, client: bad });
      await expect(work).rejects.toMatchObject({
        code: 'invalid-argument',
        message: expect.stringMatching(/^csr\.client: /) as string,
      });
    }
  });

  it('are for nodes that hold the CA only', async () => {
    expect(await openAuthority(join(folder, 'ca'))).toBeDefined();
    expect(await openAuthority(join(folder, 'elsewhere'))).toBeUndefined();
  });
});

describe('who shows a certificate', () => {
  const NOW = new Date();
  const raw = (pem: string) => new X509Certificate(pem).raw;

  it('is the node of it, while it is valid and of this cluster', async () => {
    const { nodeId } = node();
    const { cert } = await issueNodeCertificate(authority, node(nodeId));
    expect(nodeOfPeer(raw(cert), authority.certificate, NOW)).toBe(nodeId);
    const later = new Date(NOW.getTime() + 2 * 365 * 24 * 3_600_000);
    expect(nodeOfPeer(raw(cert), authority.certificate, later)).toBeUndefined();
    const other = await createAuthority(join(folder, 'other'));
    expect(nodeOfPeer(raw(cert), other.certificate, NOW)).toBeUndefined();
  });

  it.each([undefined, Buffer.alloc(0), Buffer.from('x')])('is nobody with %s', (shown) => {
    expect(nodeOfPeer(shown, authority.certificate, NOW)).toBeUndefined();
  });

  it('is nobody with the CA’s own certificate', () => {
    expect(nodeOfPeer(raw(authority.certificate), authority.certificate, NOW)).toBeUndefined();
  });
});

describe('the keeper', () => {
  it('tells who listens of what is there and of what replaces it', async () => {
    const issue = () => issueNodeCertificate(authority, node());
    await saveIdentity(join(folder, 'pki'), await issue(), await issue());
    const first = await loadIdentity(join(folder, 'pki'));
    const keeper = new IdentityKeeper(first!);
    const told: string[] = [];
    const listener = (update: { certificate: Buffer } | null) => told.push(update!.certificate.toString());
    keeper.addIdentityCertificateListener(listener);
    await Promise.resolve();
    const next = { ...first!, ...(await issue()) };
    keeper.replace(next);
    keeper.removeIdentityCertificateListener(listener);
    keeper.replace(first!);
    expect(told.map((pem) => pem.split('\n-----END')[0])).toEqual(
      [first, next].map((one) => one!.cert.split('\n-----END')[0]),
    );
    // the CA goes with it, for hosts that know but its pin
    for (const pem of told) expect(pem).toContain(authority.certificate.trim());
  });
});

describe('renewal', () => {
  it('is due at two thirds of a certificate’s life', () => {
    const identity = { notBefore: new Date(0), notAfter: new Date(90_000) };
    expect([59_999, 60_000].map((at) => isDue(identity, new Date(at)))).toEqual([false, true]);
  });
});

describe('a list of revocations', () => {
  it('is signed by the CA and can be empty', async () => {
    for (const serials of [[], ['0a1b', '7f']]) {
      const pem = await signRevocations(authority.signer, serials, new Date());
      expect(pem).toMatch(/^-----BEGIN (X509 )?CRL-----/);
    }
  });
});
