import { describe } from 'vitest';
import { openEtcdStore } from '../../src/store/etcd.ts';
import type { LineageKeeper } from '../../src/store/port.ts';
import { TestEtcd, compactAll, freePort, hasEtcd } from '../support/etcd.ts';
import { describeStore } from './store.ts';

describe.skipIf(!hasEtcd)('with /usr/bin/etcd', () => {
  describeStore('etcd', async () => {
    const etcd = await TestEtcd.create();
    await etcd.start();
    const open = (endpoint: string, prefix: string, keeper?: LineageKeeper) =>
      openEtcdStore({ endpoints: [endpoint], prefix, keepaliveMs: 2_000, ...(keeper && { keeper }) });
    return {
      open: (prefix, keeper) => open(etcd.endpoint, prefix, keeper),
      kill: () => etcd.kill(),
      start: () => etcd.start(),
      freeze: () => etcd.freeze(),
      thaw: () => Promise.resolve(etcd.thaw()),
      unseen: async (prefix, write, { compact }) => {
        const port = await freePort();
        const hidden = `http://127.0.0.1:${port}`;
        await etcd.start(port);
        const store = await open(hidden, prefix);
        await write(store);
        if (compact) await compactAll(hidden);
        await store.close();
        await etcd.kill();
        await etcd.start();
      },
      backup: () => etcd.backup(),
      restore: (_, options) => etcd.restore(options),
      remove: () => etcd.remove(),
    };
  });
});
