import { MemoryState, type MemoryBackup } from '../../src/store/memory-state.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import { describeStore } from './store.ts';

describeStore('memory', () => {
  const states = new Map<string, MemoryState>();
  let stores: MemoryStore[] = [];

  const backups = new Map<string, MemoryBackup>();

  function stateOf(prefix: string): MemoryState {
    const state = states.get(prefix) ?? new MemoryState();
    states.set(prefix, state);
    return state;
  }
  function setAway(away: boolean): Promise<void> {
    for (const store of stores) store.setAway(away);
    return Promise.resolve();
  }

  return Promise.resolve({
    open: async (prefix, keeper) => {
      const state = stateOf(prefix);
      const store = keeper ? await MemoryStore.open(state, keeper) : new MemoryStore(state);
      stores.push(store);
      return store;
    },
    kill: () => setAway(true),
    start: () => setAway(false),
    freeze: () => setAway(true),
    thaw: () => setAway(false),
    unseen: async (prefix, write, { compact }) => {
      const other = new MemoryStore(stateOf(prefix));
      await write(other);
      if (compact) other.compact();
      await other.close();
      await setAway(false);
    },
    backup: (prefix) => {
      backups.set(prefix, stateOf(prefix).backup());
      return Promise.resolve();
    },
    restore: async (prefix, options) => {
      await setAway(true);
      const backup = backups.get(prefix);
      if (backup) stateOf(prefix).restore(backup, options);
      await setAway(false);
    },
    remove: () => {
      stores = [];
      return Promise.resolve();
    },
  });
});
