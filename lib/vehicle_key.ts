// The keys of signed commands (protocol: section 4): your private key, the car's public key, and what the two
// together give. The private key is used in here and goes nowhere.
import { createECDH, createHash, createHmac, createPrivateKey, type ECDH } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { messageOf, say, Stop } from "./command_line.ts";

const KEY_FILE = "private-key.pem";

/** Your private key. Throws Stop 5 when the file is missing, encrypted, no private key, or on another curve. */
export function readPrivateKey(): ECDH {
  try {
    const pem = readFileSync(KEY_FILE, "utf8");
    if (/ENCRYPTED/.test(pem)) throw new Error("it is encrypted, and these scripts ask for no password");
    if (/BEGIN PUBLIC KEY/.test(pem)) throw new Error("it is the public half");
    if (!/BEGIN (EC )?PRIVATE KEY/.test(pem)) throw new Error("it is no private key in PEM form");
    const jwk = createPrivateKey(pem).export({ format: "jwk" });
    if (jwk.crv !== "P-256" || !jwk.d) throw new Error("it is not on the curve P-256");
    if (process.platform !== "win32" && (statSync(KEY_FILE).mode & 0o077) !== 0) {
      say(`warning: others on this machine can read ${KEY_FILE}; run: chmod 600 ${KEY_FILE}`);
    }
    const key = createECDH("prime256v1");
    key.setPrivateKey(Buffer.from(jwk.d, "base64url"));
    return key;
  } catch (error) {
    const reason = /^(it|ENOENT)/.test(messageOf(error)) ? messageOf(error) : "it cannot be read";
    throw new Stop(5, `${KEY_FILE} cannot be used: ${reason}; put your key here, or run generate_key`);
  }
}

/** K: 16 bytes of SHA-1 over the 32-byte x coordinate that both sides compute (leading zeros kept). Throws an
 * Error when `vehicleKey` is not an uncompressed point (65 bytes) on the curve. */
export function sharedKey(key: ECDH, vehicleKey: Buffer): Buffer {
  if (vehicleKey.length !== 65 || vehicleKey[0] !== 4) throw new Error("the car's key is not a point of 65 bytes");
  return createHash("sha1").update(key.computeSecret(vehicleKey)).digest().subarray(0, 16);
}

/** What a signature covers besides the message: tag, length and value of each item, then 255. */
export function metadata(items: [number, Buffer][]): Buffer {
  const parts = items.map(([tag, value]) => Buffer.concat([Buffer.from([tag, value.length]), value]));
  return Buffer.concat([...parts, Buffer.from([255])]);
}

/** A number in metadata: four bytes, the highest first. */
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
