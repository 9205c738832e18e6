/** Netlink protocols (linux/netlink.h): each is a family of messages of its own. */

export const NETLINK_ROUTE = 0;
export const NETLINK_NETFILTER = 12;
export const NETLINK_GENERIC = 16;

const NAMES: Partial<Record<number, string>> = {
  [NETLINK_ROUTE]: 'route',
  [NETLINK_NETFILTER]: 'netfilter',
  [NETLINK_GENERIC]: 'generic',
};

export function protocolName(protocol: number): string {
  return NAMES[protocol] ?? `protocol${protocol}`;
}
