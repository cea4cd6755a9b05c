// The token that carries a Fleet Telemetry configuration (docs/protocol.md, section 14): a compact JWS in
// Tesla's own algorithm, a Schnorr signature over the curve P-256. This file only computes: it neither reads
// nor sends anything.
import { createECDH, createHash, type ECDH } from "node:crypto";

const HEADER = '{"alg":"Tesla.SS256","typ":"JWT"}';
const AUDIENCE = "com.tesla.fleet.TelemetryClient"; // every car that has the key
const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n; // n of P-256
const GENERATOR = // G of P-256, uncompressed: 04, x, y
  "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
  + "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";

/** A random number with its point on the curve, for one signature. It must never be used twice and must not
 * be guessable: from two signatures with one nonce, or from one whose nonce is known, anyone who sees them
 * can compute the private key, which also signs commands. It comes from the same generator as the key. */
export function freshNonce(): ECDH {
  const nonce = createECDH("prime256v1"); // Node's name for P-256
  nonce.generateKeys();
  return nonce;
}

/** The signature, 96 bytes: the nonce's point V as x and y, then r = v - a*c mod n, where v is the nonce, a
 * the private key, and c the challenge: SHA-256 over G, V, the public key and the message (RFC 8235). */
export function schnorrSignature(message: string, key: ECDH, nonce: ECDH): Buffer {
  const point = nonce.getPublicKey(); // V
  const challenge = createHash("sha256");
  for (const part of [Buffer.from(GENERATOR, "hex"), point, key.getPublicKey(), Buffer.from(message)]) {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(part.length); // before each part, the highest byte first
    challenge.update(length).update(part);
  }
  const numberIn = (hex: string) => BigInt(`0x${hex}`);
  const product = numberIn(key.getPrivateKey("hex")) * numberIn(challenge.digest("hex"));
  const difference = (numberIn(nonce.getPrivateKey("hex")) - product) % ORDER; // % keeps the sign
  const r = (difference + ORDER) % ORDER;
  return Buffer.concat([point.subarray(1), Buffer.from(r.toString(16).padStart(64, "0"), "hex")]);
}

/** The token for `config`, signed with `key`; the car looks for that key (`iss`) among those it has. */
export function telemetryToken(config: object, key: ECDH, nonce: ECDH): string {
  const claims = { ...config, iss: key.getPublicKey("base64"), aud: AUDIENCE };
  const parts = [HEADER, JSON.stringify(claims)].map((part) => Buffer.from(part).toString("base64url"));
  const message = parts.join(".");
  return `${message}.${schnorrSignature(message, key, nonce).toString("base64url")}`;
}
