/** What not every kernel has, found out by trying it. */
import { NetlinkError } from 'netlink-ts';
import type { NftSocket, Table } from 'netlink-ts';

export interface KernelFeatures {
  /** connections of an address can be counted, see `countsConnections` */
  counts: boolean;
}

/** Stands for a moment and decides on nothing. */
const TRIAL: Table = {
  family: 'inet',
  name: 'weft-trial',
  sets: [],
  chains: [{ name: 'trial', rules: [{ expressions: [{ kind: 'connection limit', count: 1 }] }] }],
};

/** `ct count` (nft_connlimit, Linux 4.18, a module of its own). */
export async function countsConnections(nft: NftSocket): Promise<boolean> {
  try {
    await nft.replaceTable(TRIAL);
  } catch (error) {
    if (error instanceof NetlinkError && ['ENOENT', 'EOPNOTSUPP'].includes(error.code)) return false;
    throw error;
  }
  await nft.deleteTable(TRIAL);
  return true;
}
