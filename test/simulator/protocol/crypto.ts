// The cryptography of the simulated car: key agreement, the metadata string, tags and encrypted answers.
// Written from the protocol's figures with node:crypto, independently of lib/.
import { createCipheriv, createDecipheriv, createECDH, createHash, createHmac } from "node:crypto";
import { createPublicKey, timingSafeEqual, type ECDH } from "node:crypto";

export const SIGNATURE_AES_GCM = 5;
export const SIGNATURE_SESSION_INFO = 6;
export const SIGNATURE_HMAC = 8;
export const SIGNATURE_RESPONSE = 9;

// The tags of the metadata string.
const [TYPE, DOMAIN, VIN, EPOCH, EXPIRES_AT, COUNTER, CHALLENGE, FLAGS, REQUEST_HASH, FAULT] = [
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
];

export function newKeyPair(privateScalar?: Buffer): ECDH {
  const pair = createECDH("prime256v1");
  if (privateScalar) pair.setPrivateKey(privateScalar);
  else pair.generateKeys();
  return pair;
}

/** A public key as 130 hexadecimal digits or as PEM, to the 65 bytes that travel. */
export function publicKeyBytes(key: string | Buffer): Buffer {
  if (Buffer.isBuffer(key)) return key;
  if (/^[0-9a-f]{130}$/i.test(key.trim())) return Buffer.from(key.trim(), "hex");
  // They are the end of the DER form.
  return createPublicKey(key).export({ type: "spki", format: "der" }).subarray(-65);
}

/** K. Throws when the other side's key is not an uncompressed point on the curve. */
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

type Items = [tag: number, value: Buffer | number[]][];

export function metadata(items: Items): Buffer {
  const parts = items.map(([tag, value]) => Buffer.from([tag, value.length, ...value]));
  return Buffer.concat([...parts, Buffer.of(0xff)]);
}

export type SignedFields = Record<"type" | "domain" | "expiresAt" | "counter" | "flags", number> & {
  vin: string;
  epoch: Buffer;
};

export function commandMetadata(fields: SignedFields): Buffer {
  const items: Items = [
    [TYPE, [fields.type]],
    [DOMAIN, [fields.domain]],
    [VIN, Buffer.from(fields.vin)],
    [EPOCH, fields.epoch],
    [EXPIRES_AT, uint32(fields.expiresAt)],
    [COUNTER, uint32(fields.counter)],
  ];
  // Flags of zero are not authenticated, for the sake of clients older than the flags.
  if (fields.flags !== 0) items.push([FLAGS, uint32(fields.flags)]);
  return metadata(items);
}

export function commandTag(key: Buffer, fields: SignedFields, payload: Buffer): Buffer {
  const commandKey = derivedKey(key, "authenticated command");
  return createHmac("sha256", commandKey).update(commandMetadata(fields)).update(payload).digest();
}

export function sessionInfoTag(key: Buffer, vin: string, challenge: Buffer, sessionInfo: Buffer): Buffer {
  const items: Items = [
    [TYPE, [SIGNATURE_SESSION_INFO]],
    [VIN, Buffer.from(vin)],
    [CHALLENGE, challenge],
  ];
  const mac = createHmac("sha256", derivedKey(key, "session info"));
  return mac.update(metadata(items)).update(sessionInfo).digest();
}

export type ResponseFields = Omit<SignedFields, "type" | "epoch" | "expiresAt"> & {
  requestHash: Buffer;
  fault: number;
};

export function responseMetadata(fields: ResponseFields): Buffer {
  return metadata([
    [TYPE, [SIGNATURE_RESPONSE]],
    [DOMAIN, [fields.domain]],
    [VIN, Buffer.from(fields.vin)],
    [COUNTER, uint32(fields.counter)],
    [FLAGS, uint32(fields.flags)],
    [REQUEST_HASH, fields.requestHash],
    [FAULT, uint32(fields.fault)],
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

/** A command that arrived encrypted (over Bluetooth, say). Undefined when the tag is wrong. */
export function decryptCommand(key: Buffer, fields: SignedFields, nonce: Buffer, sent: Buffer, tag: Buffer) {
  if (tag.length !== 16 || nonce.length !== 12) return undefined;
  const decipher = createDecipheriv("aes-128-gcm", key, nonce, { authTagLength: 16 });
  decipher.setAAD(digest(commandMetadata(fields))).setAuthTag(tag);
  try {
    return Buffer.concat([decipher.update(sent), decipher.final()]);
  } catch {
    return undefined;
  }
}

export function sameBytes(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

/** What an encrypted answer is bound to. VCSEC cuts it to 17 bytes. */
export function requestHash(type: number, tag: Buffer, vcsec: boolean): Buffer {
  const whole = Buffer.concat([Buffer.of(type), tag]);
  return vcsec ? whole.subarray(0, 17) : whole;
}
