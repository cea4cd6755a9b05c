// The secret your key and the car's key share, and what a signature covers (docs/protocol.md, section 4).
import { createHash, createHmac, type ECDH } from "node:crypto";

// What metadata may hold, in the order of the tags 0 to 9.
// biome-ignore format: a table of words
const TAGS = ["type", "domain", "vin", "epoch", "expiresAt", "counter", "challenge", "flags", "requestHash",
  "fault"];

/** K: 16 bytes of SHA-1 over the 32-byte x coordinate that both sides compute, leading zeros kept. Throws an
 * Error when `vehicleKey` is not an uncompressed point on the curve. */
export function sharedKey(key: ECDH, vehicleKey: Buffer): Buffer {
  if (vehicleKey.length !== 65 || vehicleKey[0] !== 4) throw new Error("the car's key is malformed");
  return createHash("sha1").update(key.computeSecret(vehicleKey)).digest().subarray(0, 16);
}

/** What a signature covers besides the message: tag, length and value of each item, then 255. A number takes
 * four bytes, the highest first; `type` and `domain` take one. */
export function metadata(items: Record<string, number | string | Buffer>): Buffer {
  const parts = TAGS.flatMap((name, tag) => {
    const item = items[name];
    if (item === undefined) return [];
    const value = typeof item === "number" ? Buffer.alloc(tag < 2 ? 1 : 4) : Buffer.from(item);
    if (typeof item === "number") value.writeUIntBE(item, 0, value.length);
    return [Buffer.from([tag, value.length]), value];
  });
  return Buffer.concat([...parts, Buffer.from([255])]);
}

/** The tag over `parts`, under the key derived from K for `purpose`. */
export function hmac(k: Buffer, purpose: "authenticated command" | "session info", parts: Buffer[]): Buffer {
  const key = createHmac("sha256", k).update(purpose).digest();
  return createHmac("sha256", key).update(Buffer.concat(parts)).digest();
}
