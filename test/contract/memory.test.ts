import { MemoryState } from '../../src/store/memory-state.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import { describeStore } from './store.ts';

describeStore('memory', () => {
  const states = new Map<string, MemoryState>();
  let stores: MemoryStore[] = [];

  function openMemory(prefix: string): MemoryStore {
    const state = states.get(prefix) ?? new MemoryState();
    states.set(prefix, state);
    return new MemoryStore(state);
  }
  function setAway(away: boolean): Promise<void> {
    for (const store of stores) store.setAway(away);
    return Promise.resolve();
  }

  return Promise.resolve({
    open: (prefix) => {
      const store = openMemory(prefix);
      stores.push(store);
      return Promise.resolve(store);
    },
    kill: () => setAway(true),
    start: () => setAway(false),
    freeze: () => setAway(true),
    thaw: () => setAway(false),
    unseen: async (prefix, write, { compact }) => {
      const other = openMemory(prefix);
      await write(other);
      if (compact) other.compact();
      await other.close();
      await setAway(false);
    },
    remove: () => {
      stores = [];
      return Promise.resolve();
    },
  });
});
