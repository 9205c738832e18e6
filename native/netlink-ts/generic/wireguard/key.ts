/** Curve25519 and preshared keys: 32 bytes, as base64 at the library's edge, like `wg` shows them. */
import { DecodeError } from '../../errors.ts';

const LENGTH = 32;

/** The message never holds the key. */
export function keyBytes(key: string): Buffer {
  const bytes = Buffer.from(key, 'base64');
  if (bytes.length !== LENGTH || bytes.toString('base64') !== key) {
    throw new TypeError('not a WireGuard key: 32 bytes of base64 are expected');
  }
  return bytes;
}

export function keyText(bytes: Buffer): string {
  if (bytes.length !== LENGTH) throw new DecodeError(`a key of ${bytes.length} bytes`);
  return bytes.toString('base64');
}

/** The kernel says "none" with zeros. */
export function keyTextUnlessZero(bytes: Buffer): string | undefined {
  return bytes.every((byte) => byte === 0) ? undefined : keyText(bytes);
}
