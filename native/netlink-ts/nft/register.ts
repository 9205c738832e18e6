/**
 * Registers of the nftables machine: sixteen slots of 32 bits. The kernel numbers those at a multiple of 16 bytes 1 to 4 as
 * its first version did, and the others from 8 on; it always answers in that way (nft_dump_register).
 */
const NFT_REG_1 = 1;
const NFT_REG32_00 = 8;
const SLOTS = 16;

/** The kernel's verdict register. */
export const NFT_REG_VERDICT = 0;

export function registerNumber(slot: number): number {
  if (!Number.isInteger(slot) || slot < 0 || slot >= SLOTS)
    throw new RangeError(`register slot ${slot} is not 0 to 15`);
  return slot % 4 === 0 ? NFT_REG_1 + slot / 4 : NFT_REG32_00 + slot;
}

/** Slot of a kernel register; undefined for the verdict register and for what is none. */
export function registerSlot(register: number): number | undefined {
  if (register >= NFT_REG_1 && register <= 4) return (register - NFT_REG_1) * 4;
  if (register >= NFT_REG32_00 && register < NFT_REG32_00 + SLOTS) return register - NFT_REG32_00;
  return undefined;
}
