// The messages of signed commands (docs/protocol.md, sections 4 to 6, 8 to 10): how a request is made and
// signed, how the car's answer is opened and read. Nothing is sent or stored here.
import { createDecipheriv, createHash, type ECDH } from "node:crypto";
import { hmac, metadata, sharedKey } from "./vehicle_key.ts";
import { bytesAt, encodeFields, type Field, numberAt, valueAt } from "./wire.ts";

export const VCSEC = 2; // the domain of locks, trunks and keys: the car's security computer
export const INFOTAINMENT = 3; // the domain of every other command
export type Domain = typeof VCSEC | typeof INFOTAINMENT;

// Field numbers: of a RoutableMessage (section 2), of its parts, and of a SignatureData (section 3).
// biome-ignore format: a table of numbers
export const MESSAGE = { to: 6, from: 7, payload: 10, status: 12, signature: 13, infoRequest: 14, info: 15,
  requestUuid: 50, uuid: 51, flags: 52 };
const DESTINATION = { domain: 1, address: 2 };
const STATUS = { operation: 1, fault: 2 };
export const SIGNATURE = { signer: 1, infoTag: 6, hmac: 8, gcm: 9 };
const SIGNER = { publicKey: 1 };
const HMAC = { epoch: 1, counter: 2, expiresAt: 3, tag: 4 };
const GCM = { nonce: 1, counter: 2, tag: 3 };

export const SESSION_INFO = 6; // signature types (section 3)
const SIGNED_COMMAND = 8;
const ENCRYPTED_ANSWER = 9;
const ENCRYPT_RESPONSE = 2; // flag: the car is to encrypt its answer (section 2)

// Inside the payload of an answer (sections 9 and 10).
const ACTION = { status: 1, result: 1, reason: 2, plainText: 1 }; // of infotainment
const FROM_VCSEC = { command: 4, operation: 1, signed: 2, information: 2, error: 46, generic: 1 }; // of VCSEC
export const WAIT = 1; // an operation status (section 2)
// biome-ignore format: a table of words
const GENERIC_ERRORS = ["", "unknown", "a door or lid is open", "already on", "disabled", "not in park",
  "not authorized", "not allowed this way"]; // GenericError_E (section 10)
// biome-ignore format: a table of words
const SIGNED_MESSAGE_ERRORS = ["", "UNKNOWN", "NOT_ON_WHITELIST", "IV_SMALLER_THAN_EXPECTED", "INVALID_TOKEN",
  "TOKEN_AND_COUNTER_INVALID", "AES_DECRYPT_AUTH", "ECDSA_INPUT", "ECDSA_SIGNATURE", "LOCAL_ENTITY_START",
  "LOCAL_ENTITY_RESULT", "COULD_NOT_RETRIEVE_KEY", "COULD_NOT_RETRIEVE_TOKEN", "SIGNATURE_TOO_SHORT",
  "TOKEN_IS_INCORRECT_LENGTH", "INCORRECT_EPOCH", "IV_INCORRECT_LENGTH", "TIME_EXPIRED",
  "NOT_PROVISIONED_WITH_IDENTITY", "COULD_NOT_HASH_METADATA"]; // SignedMessage_information_E in vcsec.proto

/** One of the car's computers, and our own private key, which it knows by its public half. */
export type Target = { vin: string; domain: Domain; ownKey: ECDH };

/** A request: its bytes, and what the car's answer is bound to: our unpredictable uuid, our address, and the
 * signature, if there is one. */
export type Message = { bytes: Buffer; uuid: Buffer; address: Buffer; tag: Buffer };

/** Asks the car for its session info (section 5). `uuid` and `address`: 16 unpredictable bytes each. */
export function handshakeMessage({ domain, ownKey }: Target, uuid: Buffer, address: Buffer): Message {
  const bytes = encodeFields([
    [MESSAGE.to, [[DESTINATION.domain, domain]]],
    [MESSAGE.from, [[DESTINATION.address, address]]],
    [MESSAGE.infoRequest, [[1, ownKey.getPublicKey()]]],
    [MESSAGE.uuid, uuid],
  ]);
  return { bytes, uuid, address, tag: Buffer.alloc(0) };
}

/** Signs `payload` for the session's epoch and counter (sections 4 and 6). `expiresAt`: seconds of the car's
 * clock. Key and epoch of the session are in hex; `uuid` and `address`: 16 unpredictable bytes each. */
export function signedMessage(
  { vin, domain, ownKey }: Target,
  payload: Buffer,
  expiresAt: number,
  session: { vehicleKey: string; epoch: string; counter: number },
  uuid: Buffer,
  address: Buffer,
): Message {
  const { counter } = session;
  const epoch = Buffer.from(session.epoch, "hex");
  const flags = ENCRYPT_RESPONSE;
  const covered = metadata({ type: SIGNED_COMMAND, domain, vin, epoch, expiresAt, counter, flags });
  const k = sharedKey(ownKey, Buffer.from(session.vehicleKey, "hex"));
  const tag = hmac(k, "authenticated command", [covered, payload]);
  const expiry: Field = [HMAC.expiresAt, { fixed32: expiresAt }];
  const proof: Field[] = [[HMAC.epoch, epoch], [HMAC.counter, counter], expiry, [HMAC.tag, tag]];
  const signer: Field = [SIGNATURE.signer, [[SIGNER.publicKey, ownKey.getPublicKey()]]];
  const bytes = encodeFields([
    [MESSAGE.to, [[DESTINATION.domain, domain]]],
    [MESSAGE.from, [[DESTINATION.address, address]]],
    [MESSAGE.payload, payload],
    [MESSAGE.signature, [signer, [SIGNATURE.hmac, proof]]],
    [MESSAGE.uuid, uuid],
    [MESSAGE.flags, flags],
  ]);
  return { bytes, uuid, address, tag };
}

/** The car's answer: fault, operation status, payload, and whether it was encrypted. */
export type Opened = { fault: number; status: number; payload: Buffer; encrypted: boolean };

/** Opens the car's answer to `sent` (section 8); `k` decrypts it. Throws an Error for an answer to another
 * request, and for one that does not decrypt with all that it is bound to. */
export function openAnswer(answer: Buffer, sent: Message, { vin, domain }: Target, k?: Buffer): Opened {
  const uuid = bytesAt(answer, [MESSAGE.requestUuid]);
  const address = bytesAt(answer, [MESSAGE.to, DESTINATION.address]);
  if (uuid.length > 0 && !uuid.equals(sent.uuid)) throw new Error("it answers a different request");
  if (address.length > 0 && !address.equals(sent.address)) throw new Error("it is for a different client");
  const from = numberAt(answer, [MESSAGE.from, DESTINATION.domain]);
  if (from !== domain) throw new Error("it comes from the wrong subsystem");
  const fault = numberAt(answer, [MESSAGE.status, STATUS.fault]);
  const status = numberAt(answer, [MESSAGE.status, STATUS.operation]);
  const payload = bytesAt(answer, [MESSAGE.payload]);
  const gcm = valueAt(answer, [MESSAGE.signature, SIGNATURE.gcm]);
  if (gcm === undefined) return { fault, status, payload, encrypted: false };

  if (!k || typeof gcm === "number") throw new Error("its signature cannot be checked");
  const [nonce, tag] = [bytesAt(gcm, [GCM.nonce]), bytesAt(gcm, [GCM.tag])];
  if (nonce.length !== 12 || tag.length !== 16) throw new Error("its signature has a wrong length");
  const counter = numberAt(gcm, [GCM.counter]);
  const flags = numberAt(answer, [MESSAGE.flags]);
  const length = domain === VCSEC ? 17 : 33; // section 8
  const requestHash = Buffer.concat([Buffer.from([SIGNED_COMMAND]), sent.tag]).subarray(0, length);
  const covered = metadata({ type: ENCRYPTED_ANSWER, domain, vin, counter, flags, requestHash, fault });
  const cipher = createDecipheriv("aes-128-gcm", k, nonce, { authTagLength: 16 }).setAuthTag(tag);
  cipher.setAAD(createHash("sha256").update(covered).digest());
  return { fault, status, payload: Buffer.concat([cipher.update(payload), cipher.final()]), encrypted: true };
}

/** The car's verdict on a command, in the words of Tesla's REST answers. An empty answer means done, as for
 * Tesla's own client (sections 9 and 10). */
export function readVerdict(payload: Buffer, domain: Domain): { result: boolean; reason: string } {
  if (domain === INFOTAINMENT) {
    const reason = bytesAt(payload, [ACTION.status, ACTION.reason, ACTION.plainText]).toString("utf8");
    return { result: numberAt(payload, [ACTION.status, ACTION.result]) === 0, reason };
  }
  const isRefused = valueAt(payload, [FROM_VCSEC.error]) !== undefined; // even if it is empty
  const generic = numberAt(payload, [FROM_VCSEC.error, FROM_VCSEC.generic]);
  const operation = numberAt(payload, [FROM_VCSEC.command, FROM_VCSEC.operation]);
  const information = numberAt(payload, [FROM_VCSEC.command, FROM_VCSEC.signed, FROM_VCSEC.information]);
  const named = GENERIC_ERRORS[generic] || SIGNED_MESSAGE_ERRORS[information];
  const unnamed = `error ${generic}, status ${operation}, information ${information}`;
  const reason = operation === WAIT ? "busy" : named || unnamed;
  return { result: !isRefused && operation === 0, reason };
}
