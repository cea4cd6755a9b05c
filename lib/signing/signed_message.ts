// The messages of signed commands (docs/protocol.md, sections 4 to 6, 8 to 10): how a request is made and
// signed, how the car's answer is opened and read. Nothing is sent or stored here.
import { createDecipheriv, createHash, randomBytes, type ECDH } from "node:crypto";
import { hmac, metadata, sharedKey } from "./vehicle_key.ts";
import { bytesAt, encodeFields, numberAt, valueAt } from "./wire.ts";

export const VCSEC = 2; // the domain of locks, trunks and keys: the car's security computer
export const INFOTAINMENT = 3; // the domain of every other command

// Field numbers: of a RoutableMessage (section 2), of its parts, and of a SignatureData (section 3).
export const MESSAGE = { to: 6, from: 7, payload: 10, status: 12, signature: 13, infoRequest: 14, info: 15,
  requestUuid: 50, uuid: 51, flags: 52 };
const DESTINATION = { domain: 1, address: 2 };
const STATUS = { operation: 1, fault: 2 };
export const SIGNATURE = { signer: 1, infoTag: 6, hmac: 8, gcm: 9 };
const GCM = { nonce: 1, counter: 2, tag: 3 };

export const SESSION_INFO = 6; // signature types (section 3)
const SIGNED_COMMAND = 8;
const ENCRYPTED_ANSWER = 9;
const ENCRYPT_RESPONSE = 2; // flag: the car is to encrypt its answer (section 2)
const VCSEC_ERRORS = ["", "", "a door or lid is open", "already on", "disabled", "not in park",
  "not authorized", "not allowed this way"]; // GenericError_E (section 10)

/** One of the car's computers, and the key that it knows us by. */
export interface Peer { vin: string; domain: number; key: ECDH }

export interface Message {
  bytes: Buffer;
  uuid: Buffer; // ours, unpredictable: the car's answer is bound to it
  address: Buffer; // where the answer goes
  tag: Buffer; // the signature: an encrypted answer is bound to it
}

/** Asks the peer for its session info (section 5). */
export function handshakeMessage({ domain, key }: Peer): Message {
  const [uuid, address] = [randomBytes(16), randomBytes(16)];
  const bytes = encodeFields([
    [MESSAGE.to, [[DESTINATION.domain, domain]]],
    [MESSAGE.from, [[DESTINATION.address, address]]],
    [MESSAGE.infoRequest, [[1, key.getPublicKey()]]],
    [MESSAGE.uuid, uuid],
  ]);
  return { bytes, uuid, address, tag: Buffer.alloc(0) };
}

/** Signs `payload` for the session's epoch and counter (sections 4 and 6). `expiresAt`: seconds of the car's
 * clock. Keys and epoch are in hex. */
export function signedMessage({ vin, domain, key }: Peer, payload: Buffer, expiresAt: number,
  session: { vehicleKey: string; epoch: string; counter: number }, uuid = randomBytes(16),
  address = randomBytes(16)): Message {
  const { counter } = session;
  const epoch = Buffer.from(session.epoch, "hex");
  const covered = metadata(
    { type: SIGNED_COMMAND, domain, vin, epoch, expiresAt, counter, flags: ENCRYPT_RESPONSE });
  const k = sharedKey(key, Buffer.from(session.vehicleKey, "hex"));
  const tag = hmac(k, "authenticated command", [covered, payload]);
  const bytes = encodeFields([
    [MESSAGE.to, [[DESTINATION.domain, domain]]],
    [MESSAGE.from, [[DESTINATION.address, address]]],
    [MESSAGE.payload, payload],
    [MESSAGE.signature, [
      [SIGNATURE.signer, [[1, key.getPublicKey()]]],
      [SIGNATURE.hmac, [[1, epoch], [2, counter], [3, { fixed32: expiresAt }], [4, tag]]],
    ]],
    [MESSAGE.uuid, uuid],
    [MESSAGE.flags, ENCRYPT_RESPONSE],
  ]);
  return { bytes, uuid, address, tag };
}

/** The car's answer, opened: fault, operation status, and what it says. */
export interface Opened { fault: number; status: number; payload: Buffer; encrypted: boolean }

/** Opens the car's answer to `sent` (section 8); `k` decrypts it. Throws an Error for an answer to another
 * request, and for one that does not decrypt with all that it is bound to. */
export function openAnswer(answer: Buffer, sent: Message, { vin, domain }: Peer, k?: Buffer): Opened {
  const uuid = bytesAt(answer, [MESSAGE.requestUuid]);
  const address = bytesAt(answer, [MESSAGE.to, DESTINATION.address]);
  if (uuid.length > 0 && !uuid.equals(sent.uuid)) throw new Error("it answers another request");
  if (address.length > 0 && !address.equals(sent.address)) throw new Error("it is for another client");
  const from = numberAt(answer, [MESSAGE.from, DESTINATION.domain]);
  if (from !== domain) throw new Error("it comes from another part of the car");
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
  const requestHash = Buffer.concat([Buffer.from([SIGNED_COMMAND]), sent.tag])
    .subarray(0, domain === VCSEC ? 17 : 33); // section 8
  const covered = metadata({ type: ENCRYPTED_ANSWER, domain, vin, counter, flags, requestHash, fault });
  const cipher = createDecipheriv("aes-128-gcm", k, nonce, { authTagLength: 16 }).setAuthTag(tag);
  cipher.setAAD(createHash("sha256").update(covered).digest());
  return { fault, status, payload: Buffer.concat([cipher.update(payload), cipher.final()]), encrypted: true };
}

/** What the car says to a command, in the words of Tesla's REST answers. An empty answer means done, as for
 * Tesla's own client (sections 9 and 10). */
export function verdictOf(payload: Buffer, domain: number): { result: boolean; reason: string } {
  if (domain === INFOTAINMENT) { // 1 actionStatus: 1 result, 2 reason: 1 plain_text
    return { result: numberAt(payload, [1, 1]) === 0, reason: bytesAt(payload, [1, 2, 1]).toString("utf8") };
  }
  // 46 nominalError: 1 genericError; its presence refuses. 4 commandStatus: 1 operationStatus.
  const isRefused = valueAt(payload, [46]) !== undefined;
  const [error, status] = [numberAt(payload, [46, 1]), numberAt(payload, [4, 1])];
  const reason = VCSEC_ERRORS[error] || (status === 1 ? "busy" : `error ${error}, status ${status}`);
  return { result: !isRefused && status === 0, reason };
}
