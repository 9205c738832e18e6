import { X509Certificate, createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { chmod, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  createAuthority,
  issueClientCertificate,
  issueMemberCertificate,
  issueNodeCertificate,
} from '../../../src/trust/authority.ts';
import { loadIdentity, nodeIdOf, saveIdentity } from '../../../src/trust/identity.ts';
import { handshake } from './handshake.ts';

const NODE = '01JD0000000000000000000001';
const DAY = 86_400_000;
let directory = '';

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'weft-trust-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const node = { nodeId: NODE, name: 'host1', addresses: ['192.0.2.1', '2001:db8::1'], dnsNames: ['host1.example'] };
const mode = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);

describe('the authority', () => {
  it('keeps its key to its owner, in a directory of its owner', async () => {
    const pki = join(directory, 'pki');
    await createAuthority(pki);
    expect(await mode(pki)).toBe('700');
    expect(await mode(join(pki, 'ca.key'))).toBe('600');
    expect((await readdir(pki)).sort()).toEqual(['ca.crt', 'ca.key']);
  });

  it('narrows a directory that was open to others', async () => {
    await chmod(directory, 0o755);
    await createAuthority(directory);
    expect(await mode(directory)).toBe('700');
  });

  it('is the same one the second time', async () => {
    const first = await createAuthority(directory);
    const key = await readFile(join(directory, 'ca.key'), 'utf8');
    const second = await createAuthority(directory);
    expect(second.certificate).toBe(first.certificate);
    expect(await readFile(join(directory, 'ca.key'), 'utf8')).toBe(key);
  });

  it('is made anew after a first start that was cut short', async () => {
    await writeFile(join(directory, 'ca.key'), 'half a key');
    const { certificate } = await createAuthority(directory);
    expect(new X509Certificate(certificate).ca).toBe(true);
  });

  it('is never replaced where its certificate is but its key is not', async () => {
    const { certificate } = await createAuthority(directory);
    await rm(join(directory, 'ca.key'));
    await expect(createAuthority(directory)).rejects.toMatchObject({ code: 'configuration-invalid' });
    expect(await readFile(join(directory, 'ca.crt'), 'utf8')).toBe(certificate);
  });

  it('refuses a key that is not its certificate’s', async () => {
    await createAuthority(directory);
    const other = join(directory, 'other');
    await createAuthority(other);
    await writeFile(join(directory, 'ca.key'), await readFile(join(other, 'ca.key')));
    await expect(createAuthority(directory)).rejects.toThrow('another key');
  });

  it('is valid for ten years, what it issues for one, both from a day ago', async () => {
    const now = new Date('2030-03-01T12:00:00Z');
    const authority = await createAuthority(directory, () => now);
    const leaf = await issueNodeCertificate(authority, node);
    const days = (pem: string) => {
      const { validFrom, validTo } = new X509Certificate(pem);
      return [validFrom, validTo].map((text) => (Date.parse(text) - now.getTime()) / DAY);
    };
    expect(days(authority.certificate)).toEqual([-1, 3_650]);
    expect(days(leaf.cert)).toEqual([-1, 365]);
  });
});

describe('what it issues', () => {
  it('names a node by id, addresses, names and loopback, for both sides of a connection', async () => {
    const authority = await createAuthority(directory);
    const certificate = new X509Certificate((await issueNodeCertificate(authority, node)).cert);
    expect(certificate.subject).toContain(`CN=${NODE}`);
    expect(certificate.subjectAltName?.split(', ')).toEqual([
      ...['DNS:host1', 'DNS:localhost', 'DNS:host1.example'],
      ...[
        'IP Address:192.0.2.1',
        'IP Address:2001:DB8:0:0:0:0:0:1',
        'IP Address:127.0.0.1',
        'IP Address:0:0:0:0:0:0:0:1',
      ],
      `URI:weft://node/${NODE}`,
    ]);
    expect(certificate.keyUsage.sort()).toEqual(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
    expect(certificate.ca).toBe(false);
    expect(nodeIdOf(certificate)).toBe(NODE);
    expect(certificate.publicKey.asymmetricKeyDetails).toMatchObject({ namedCurve: 'prime256v1' });
  });

  it('names no host in a certificate for calls of etcd', async () => {
    const authority = await createAuthority(directory);
    const certificate = new X509Certificate((await issueClientCertificate(authority, { nodeId: NODE })).cert);
    expect(certificate.subjectAltName).toBe(`URI:weft://node/${NODE}`);
    expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2']);
  });

  it('takes an etcd member for no node', async () => {
    const authority = await createAuthority(directory);
    const member = await issueMemberCertificate(authority, { name: 'host1', addresses: ['192.0.2.1'] });
    expect(nodeIdOf(new X509Certificate(member.cert))).toBe('');
  });

  it('is for the key of a member, unless that is none', async () => {
    const authority = await createAuthority(directory);
    const member = (key?: string) => issueMemberCertificate(authority, { name: 'host1', addresses: [], key });
    const first = await member();
    const second = await member(first.key);
    expect(second.key).toBe(first.key);
    expect(second.cert).not.toBe(first.cert);
    expect(new X509Certificate(second.cert).checkPrivateKey(createPrivateKey(first.key))).toBe(true);
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
    const other = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    for (const none of ['', 'none', first.cert, other]) {
      const { cert, key } = await member(none);
      expect(key).not.toBe(none);
      expect(new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))).toBe(true);
    }
  });

  it('never has a serial number twice, nor a negative one', async () => {
    const authority = await createAuthority(directory);
    const issued = await Promise.all(
      Array.from({ length: 20 }, () => issueClientCertificate(authority, { nodeId: NODE })),
    );
    const serials = issued.map((each) => new X509Certificate(each.cert).serialNumber);
    expect(new Set(serials).size).toBe(20);
    for (const serial of serials) expect(serial).toMatch(/^[4-7][0-9A-F]{31}$/);
  });

  it.each([
    ['an id with a comma', { ...node, nodeId: 'A, CN=other' }],
    ['an address that is none', { ...node, addresses: ['192.0.2.256'] }],
    ['a wildcard', { ...node, dnsNames: ['*.example'] }],
    ['a name in capitals', { ...node, name: 'Host1' }],
  ])('refuses %s', async (_, request) => {
    const authority = await createAuthority(directory);
    await expect(async () => issueNodeCertificate(authority, request)).rejects.toMatchObject({
      code: 'invalid-argument',
    });
  });
});

describe('a TLS handshake', () => {
  it('lets two nodes of a cluster know each other', async () => {
    const authority = await createAuthority(directory);
    const server = await issueNodeCertificate(authority, node);
    const client = await issueClientCertificate(authority, { nodeId: '01JD0000000000000000000002' });
    const { seenByServer, seenByClient } = await handshake(server, client);
    expect(seenByServer).toBe('01JD0000000000000000000002');
    expect(seenByClient).toBe(NODE);
  });

  it('fails for a client of another cluster, one without a certificate, and a server of another cluster', async () => {
    const ours = await createAuthority(join(directory, 'ours'));
    const theirs = await createAuthority(join(directory, 'theirs'));
    const server = await issueNodeCertificate(ours, node);
    const client = await issueClientCertificate(ours, { nodeId: NODE });
    const foreign = await issueClientCertificate(theirs, { nodeId: NODE });
    await expect(handshake(server, { ...foreign, ca: ours.certificate })).rejects.toThrow();
    await expect(handshake(server, { ca: ours.certificate })).rejects.toThrow();
    await expect(handshake(server, { ...client, ca: theirs.certificate })).rejects.toThrow(/issuer|self-signed|verify/);
  });

  it('fails when a client’s certificate is used to serve', async () => {
    const authority = await createAuthority(directory);
    const client = await issueClientCertificate(authority, { nodeId: NODE });
    await expect(handshake(client, client)).rejects.toThrow();
  });
});

describe('an identity', () => {
  it('is loaded as it was saved, from files of its owner', async () => {
    const authority = await createAuthority(directory);
    const issued = await issueNodeCertificate(authority, node);
    const client = await issueClientCertificate(authority, { nodeId: NODE });
    await saveIdentity(directory, issued, client);
    expect(await loadIdentity(directory)).toMatchObject({ nodeId: NODE, ...issued, client });
    for (const name of ['node.key', 'node.crt', 'client.key', 'client.crt', 'ca.crt']) {
      expect(await mode(join(directory, name))).toBe('600');
    }
    expect((await createAuthority(directory)).certificate).toBe(authority.certificate);
  });

  it('is none before it was saved, and none when a renewal was cut short', async () => {
    expect(await loadIdentity(directory)).toBeUndefined();
    const authority = await createAuthority(directory);
    const issue = () => issueNodeCertificate(authority, node);
    await saveIdentity(directory, await issue(), await issueClientCertificate(authority, { nodeId: NODE }));
    await writeFile(join(directory, 'node.key'), (await issue()).key);
    expect(await loadIdentity(directory)).toBeUndefined();
  });

  it('of another cluster is refused', async () => {
    const ours = await createAuthority(join(directory, 'ours'));
    const theirs = await createAuthority(join(directory, 'theirs'));
    const issued = await issueNodeCertificate(theirs, node);
    const client = await issueClientCertificate(theirs, { nodeId: NODE });
    const joined = join(directory, 'joined');
    await saveIdentity(joined, { ...issued, ca: ours.certificate }, client);
    await expect(loadIdentity(joined)).rejects.toMatchObject({ code: 'configuration-invalid' });
  });

  it('never takes the place of a cluster’s authority', async () => {
    const ours = await createAuthority(join(directory, 'ours'));
    const theirs = await createAuthority(join(directory, 'theirs'));
    const issued = await issueNodeCertificate(theirs, node);
    await expect(saveIdentity(ours.directory, issued, issued)).rejects.toMatchObject({ code: 'configuration-invalid' });
    expect((await createAuthority(ours.directory)).certificate).toBe(ours.certificate);
  });
});
