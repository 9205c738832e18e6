import { describe } from 'vitest';
import { openEtcdStore } from '../../src/store/etcd.ts';
import type { LineageKeeper } from '../../src/store/port.ts';
import { hasEtcd } from '../support/etcd.ts';
import { EtcdCluster } from '../support/etcd-cluster.ts';
import { describeStore } from './store.ts';

/** The same contract on three members with TLS; here all of them fail at once. */
describe.skipIf(!hasEtcd)('with /usr/bin/etcd', () => {
  describeStore('etcd of three members', async () => {
    const cluster = await EtcdCluster.start(3);
    const open = (endpoints: string[], prefix: string, keeper?: LineageKeeper) =>
      openEtcdStore({ endpoints, tls: cluster.tls, prefix, keepaliveMs: 2_000, ...(keeper && { keeper }) });
    const hide = (hidden: boolean): void => {
      for (const { clients } of cluster.members) clients.set(hidden ? 'refused' : 'open');
    };
    return {
      open: (prefix, keeper) => open(cluster.endpoints, prefix, keeper),
      kill: () => cluster.killAll(),
      start: () => cluster.startAll(),
      freeze: () => cluster.freezeAll(),
      thaw: () => Promise.resolve(cluster.thawAll()),
      unseen: async (prefix, write, { compact }) => {
        hide(true);
        await cluster.startAll();
        const direct = cluster.members.map((member) => member.direct);
        const store = await open(direct, prefix);
        await write(store);
        if (compact) await cluster.compact();
        await store.close();
        hide(false);
      },
      backup: () => cluster.backup(),
      restore: (_, options) => cluster.restore(options),
      remove: () => cluster.remove(),
    };
  });
});
