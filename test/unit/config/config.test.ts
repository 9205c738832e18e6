import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadConfig } from '../../../src/config.ts';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'weft-config-'));
  path = join(folder, 'weft.yaml');
});
afterEach(() => rmSync(folder, { recursive: true }));

const load = (yaml: string, environment: NodeJS.ProcessEnv = {}, flags: Record<string, string> = {}) => {
  writeFileSync(path, yaml);
  return loadConfig({ file: { path, required: true }, environment, flags });
};

describe('the configuration', () => {
  it('is the file, over it the environment, over it flags', async () => {
    const yaml = 'node: {name: file}\nlog: {level: warn}\nunderlay: {interface: eth7}\n';
    const environment = {
      WEFT_NODE_NAME: 'environment',
      WEFT_LOG_LEVEL: 'error',
      WEFT_DOCKER_ENABLED: 'false',
      WEFT_METRICS_PORT: '9999',
    };
    const config = await load(yaml, environment, { 'node.name': 'flag' });
    expect(config).toMatchObject({ node: { name: 'flag' }, log: { level: 'error' }, underlay: { interface: 'eth7' } });
    expect([config.docker.enabled, config.metrics.port]).toEqual([false, 9999]);
  });

  it('names a variable that is misspelt, and the one that was meant', async () => {
    const misspelt = load('', { WEFT_UNDERLAY_ADRESS: '192.0.2.1' });
    await expect(misspelt).rejects.toMatchObject({
      code: 'configuration-invalid',
      object: 'WEFT_UNDERLAY_ADRESS',
      next: expect.stringContaining('WEFT_UNDERLAY_ADDRESS') as string,
    });
    const others = {
      WEFT_TENANT: 'acme',
      WEFT_LONG: '1',
      WEFT_TEST: '1',
      WEFT_FAILPOINTS: 'x',
      WEFT_SOCKET: '/x',
      W: '',
    };
    await expect(load('', others)).resolves.toBeDefined();
  });

  it('is whole and frozen without a file', async () => {
    const config = await loadConfig({
      file: { path: join(folder, 'none'), required: false },
      environment: {},
      flags: {},
    });
    expect(config).toMatchObject({
      store: { mode: 'managed', endpoints: [] },
      pki: '/var/lib/weft/pki',
      run: '/run/weft',
    });
    expect(config.node.name).toMatch(/^[a-z0-9]/);
    expect(Object.isFrozen(config) && Object.isFrozen(config.store) && Object.isFrozen(config.store.endpoints)).toBe(
      true,
    );
  });

  it.each([
    ['WEFT_LOG_LEVEL', 'loud', 'log.level'],
    ['WEFT_METRICS_PORT', '', 'metrics.port'],
    ['WEFT_METRICS_PORT', '1e3', 'metrics.port'],
    ['WEFT_STORE_ENDPOINTS', 'http://clear:2379', 'store.endpoints.0'],
  ])('refuses %s=%s by its field', async (variable, value, field) => {
    await expect(load('', { [variable]: value })).rejects.toMatchObject({
      code: 'configuration-invalid',
      object: field,
      message: expect.stringContaining(field) as string,
    });
  });

  it('lets a variable set every setting that the schema has', async () => {
    const environment = {
      WEFT_NODE_NAME: 'n1',
      WEFT_UNDERLAY_ADDRESS: '192.0.2.7',
      WEFT_UNDERLAY_INTERFACE: 'eth7',
      WEFT_UNDERLAY_FAMILY: '6',
      WEFT_STORE_MODE: 'external',
      WEFT_STORE_ENDPOINTS: 'https://a:2379',
      WEFT_STORE_BINARY: '/opt/etcd',
      WEFT_STORE_QUOTA: '512',
      WEFT_STORE_SNAPSHOTS: '0',
      WEFT_API_PORT: '7',
      WEFT_PKI: '/p',
      WEFT_STATE: '/s',
      WEFT_RUN: '/r',
      WEFT_DOCKER_ENABLED: 'false',
      WEFT_DOCKER_SOCKET: '/d.sock',
      WEFT_DOCKER_API: '/a.sock',
      WEFT_DOCKER_IPAMONLY: 'true',
      WEFT_METRICS_ENABLED: 'false',
      WEFT_METRICS_PORT: '9',
      WEFT_LOG_LEVEL: 'trace',
    };
    expect(await load('', environment)).toEqual({
      node: { name: 'n1' },
      underlay: { address: '192.0.2.7', interface: 'eth7', family: 6 },
      store: { mode: 'external', endpoints: ['https://a:2379'], binary: '/opt/etcd', quota: 512, snapshots: 0 },
      api: { port: 7 },
      pki: '/p',
      state: '/s',
      run: '/r',
      docker: { enabled: false, socket: '/d.sock', api: '/a.sock', ipamOnly: true },
      metrics: { enabled: false, port: 9 },
      log: { level: 'trace' },
    });
  });

  it('takes several endpoints from one variable', async () => {
    const config = await load('store: {mode: external}', { WEFT_STORE_ENDPOINTS: 'https://a:2379, https://b:2379,' });
    expect(config.store.endpoints).toEqual(['https://a:2379', 'https://b:2379']);
  });

  it.each([
    ['node: {name: Not_OK}', 'node.name'],
    ['nodes: {}', 'nodes: '],
    ['log: {levle: warn}', 'log.levle: '],
    ['log: loud', 'log: '],
    ['metrics: {port: true}', 'metrics.port'],
    ['metrics: {port: 0x10000}', 'metrics.port'],
    ['docker: {enabled: maybe}', 'docker.enabled'],
    ['underlay: {family: 5}', 'underlay.family'],
    ['store: {mode: external}', 'store.endpoints'],
    ['store: {endpoints: ["http://clear:2379"]}', 'store.endpoints.0'],
    ['underlay: {address: 300.1.1.1}', 'underlay.address'],
    ['run: relative', 'run'],
    ['log: {level: loud}', 'log.level'],
    ['metrics: {port: 0}', 'metrics.port'],
    ['- a list', 'weft.yaml'],
    ['{', 'weft.yaml'],
  ])('refuses %s by its field', async (yaml, field) => {
    const failure = load(yaml);
    await expect(failure).rejects.toMatchObject({
      code: 'configuration-invalid',
      message: expect.stringContaining(field) as string,
    });
  });

  it('misses a file that was named', async () => {
    const file = { path: join(folder, 'none'), required: true };
    await expect(loadConfig({ file, environment: {}, flags: {} })).rejects.toMatchObject({
      code: 'configuration-invalid',
    });
  });
});
