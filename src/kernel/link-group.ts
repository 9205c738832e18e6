/** "wefs": set when a link is made, which an alias cannot be; a link with the group but no alias was never finished. */
export const LINK_GROUP = 0x77656673;
/** "wefu": of links that are removed together, for that moment. */
export const REMOVED_GROUP = 0x77656675;
