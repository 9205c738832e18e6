/** Where weftd serves weft.v1. */
export const DEFAULT_SOCKET = '/run/weft/weft.sock';
