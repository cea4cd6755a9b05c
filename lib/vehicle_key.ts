// What your key and the car's key give together (docs/protocol.md, section 4).
import { createHash, createHmac, type ECDH } from "node:crypto";

/** K: 16 bytes of SHA-1 over the 32-byte x coordinate that both sides compute, leading zeros kept. Throws an
 * Error when `vehicleKey` is not an uncompressed point on the curve. */
export function sharedKey(key: ECDH, vehicleKey: Buffer): Buffer {
  if (vehicleKey.length !== 65 || vehicleKey[0] !== 4) throw new Error("the car's key is malformed");
  return createHash("sha1").update(key.computeSecret(vehicleKey)).digest().subarray(0, 16);
}

/** What a signature covers besides the message: tag, length and value of each item, then 255. */
export function metadata(items: [number, Buffer][]): Buffer {
  const parts = items.flatMap(([tag, value]) => [Buffer.from([tag, value.length]), value]);
  return Buffer.concat([...parts, Buffer.from([255])]);
}

/** A number as metadata has it: four bytes, the highest first. */
export function fourBytes(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** The tag over `parts`, under the key that K gives for `purpose`. */
export function hmac(k: Buffer, purpose: "authenticated command" | "session info", parts: Buffer[]): Buffer {
  const key = createHmac("sha256", k).update(purpose).digest();
  return createHmac("sha256", key).update(Buffer.concat(parts)).digest();
}
