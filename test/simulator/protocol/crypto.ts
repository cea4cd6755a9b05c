// The cryptography of the simulated car: key agreement, the metadata string, tags and encrypted answers.
// Written from the protocol's figures with node:crypto, independently of lib/.

import {
  createCipheriv, createDecipheriv, createECDH, createHash, createHmac, createPublicKey, timingSafeEqual,
  type ECDH,
} from "node:crypto";

export const SIGNATURE_AES_GCM = 5;
export const SIGNATURE_SESSION_INFO = 6;
export const SIGNATURE_HMAC = 8;
export const SIGNATURE_RESPONSE = 9;

const TAG_SIGNATURE_TYPE = 0;
const TAG_DOMAIN = 1;
const TAG_VIN = 2;
const TAG_EPOCH = 3;
const TAG_EXPIRES_AT = 4;
const TAG_COUNTER = 5;
const TAG_CHALLENGE = 6;
const TAG_FLAGS = 7;
const TAG_REQUEST_HASH = 8;
const TAG_FAULT = 9;

export function newKeyPair(privateScalar?: Buffer): ECDH {
  const pair = createECDH("prime256v1");
  if (privateScalar) pair.setPrivateKey(privateScalar);
  else pair.generateKeys();
  return pair;
}

// A public key as 130 hexadecimal digits or as PEM, to the 65 bytes that travel.
export function publicKeyBytes(key: string | Buffer): Buffer {
  if (Buffer.isBuffer(key)) return key;
  if (/^[0-9a-f]{130}$/i.test(key.trim())) return Buffer.from(key.trim(), "hex");
  const jwk = createPublicKey(key).export({ format: "jwk" });
  const coordinates = [jwk.x ?? "", jwk.y ?? ""].map((text) => Buffer.from(text, "base64url"));
  return Buffer.concat([Buffer.of(4), ...coordinates]);
}

// K: throws when the other side's key is not an uncompressed point on the curve.
export function sharedKey(own: ECDH, otherPublicKey: Buffer): Buffer {
  const uncompressed = otherPublicKey.length === 65 && otherPublicKey[0] === 4;
  if (!uncompressed) throw new Error("not an uncompressed P-256 point");
  return createHash("sha1").update(own.computeSecret(otherPublicKey)).digest().subarray(0, 16);
}

export function derivedKey(key: Buffer, label: "authenticated command" | "session info"): Buffer {
  return createHmac("sha256", key).update(label).digest();
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export function metadata(items: [tag: number, value: Buffer | number[]][]): Buffer {
  const parts = items.map(([tag, value]) => Buffer.from([tag, value.length, ...value]));
  return Buffer.concat([...parts, Buffer.of(0xff)]);
}

export interface SignedFields {
  type: number; domain: number; vin: string; epoch: Buffer; expiresAt: number; counter: number; flags: number;
}

export function commandMetadata(fields: SignedFields): Buffer {
  const items: [number, Buffer | number[]][] = [
    [TAG_SIGNATURE_TYPE, [fields.type]],
    [TAG_DOMAIN, [fields.domain]],
    [TAG_VIN, Buffer.from(fields.vin)],
    [TAG_EPOCH, fields.epoch],
    [TAG_EXPIRES_AT, uint32(fields.expiresAt)],
    [TAG_COUNTER, uint32(fields.counter)],
  ];
  // Flags of zero are not authenticated, for the sake of clients older than the flags.
  if (fields.flags !== 0) items.push([TAG_FLAGS, uint32(fields.flags)]);
  return metadata(items);
}

export function commandTag(key: Buffer, fields: SignedFields, payload: Buffer): Buffer {
  const commandKey = derivedKey(key, "authenticated command");
  return createHmac("sha256", commandKey).update(commandMetadata(fields)).update(payload).digest();
}

export function sessionInfoTag(key: Buffer, vin: string, challenge: Buffer, sessionInfo: Buffer): Buffer {
  const text = metadata([
    [TAG_SIGNATURE_TYPE, [SIGNATURE_SESSION_INFO]], [TAG_VIN, Buffer.from(vin)], [TAG_CHALLENGE, challenge],
  ]);
  return createHmac("sha256", derivedKey(key, "session info")).update(text).update(sessionInfo).digest();
}

export interface ResponseFields {
  domain: number; vin: string; counter: number; flags: number; requestHash: Buffer; fault: number;
}

export function responseMetadata(fields: ResponseFields): Buffer {
  return metadata([
    [TAG_SIGNATURE_TYPE, [SIGNATURE_RESPONSE]],
    [TAG_DOMAIN, [fields.domain]],
    [TAG_VIN, Buffer.from(fields.vin)],
    [TAG_COUNTER, uint32(fields.counter)],
    [TAG_FLAGS, uint32(fields.flags)],
    [TAG_REQUEST_HASH, fields.requestHash],
    [TAG_FAULT, uint32(fields.fault)],
  ]);
}

function digest(bytes: Buffer): Buffer {
  return createHash("sha256").update(bytes).digest();
}

export function encryptResponse(key: Buffer, fields: ResponseFields, nonce: Buffer, plaintext: Buffer) {
  const cipher = createCipheriv("aes-128-gcm", key, nonce).setAAD(digest(responseMetadata(fields)));
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return { ciphertext, tag: cipher.getAuthTag() };
}

// A command that arrived encrypted (over Bluetooth, say). Undefined when the tag is wrong.
export function decryptCommand(
  key: Buffer, fields: SignedFields, nonce: Buffer, ciphertext: Buffer, tag: Buffer,
): Buffer | undefined {
  if (tag.length !== 16) return undefined;
  const decipher = createDecipheriv("aes-128-gcm", key, nonce, { authTagLength: 16 });
  decipher.setAAD(digest(commandMetadata(fields))).setAuthTag(tag);
  try {
    return Buffer.concat([decipher.update(ciphertext), decipher.final()]);
  } catch {
    return undefined;
  }
}

export function sameBytes(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

// What an encrypted answer is bound to. VCSEC cuts it to 17 bytes.
export function requestHash(type: number, tag: Buffer, vcsec: boolean): Buffer {
  const whole = Buffer.concat([Buffer.of(type), tag]);
  return vcsec ? whole.subarray(0, 17) : whole;
}
