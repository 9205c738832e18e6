/** The families of addresses as nftables calls them. */
export const FAMILIES = [4, 6] as const;
export type Family = (typeof FAMILIES)[number];
export const NFPROTO = { 4: 'ipv4', 6: 'ipv6' } as const;
