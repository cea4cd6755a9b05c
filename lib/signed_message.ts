// The messages of signed commands (docs/protocol.md, sections 4 to 6, 8 to 10): how a request is made and
// signed, how the car's answer is opened and read. Nothing is sent or stored here.
import { createDecipheriv, createHash, randomBytes, type ECDH } from "node:crypto";
import type { Session } from "./session.ts";
import { fourBytes, hmac, metadata, sharedKey } from "./vehicle_key.ts";
import { bytesIn, decodeFields, encodeFields, numberIn, type Fields } from "./wire.ts";

export const VCSEC = 2; // the domain of locks, trunks and keys; every other command is for infotainment
export const INFOTAINMENT = 3;
const VCSEC_ERRORS: Record<number, string> = { 2: "a door or lid is open", 3: "already on", 4: "disabled",
  5: "not in park", 6: "not authorized", 7: "not allowed this way" }; // GenericError_E (section 10)
const ENCRYPT_RESPONSE = 2; // flag: the car shall encrypt its answer (section 2)

export interface Message {
  bytes: Buffer;
  uuid: Buffer; // ours, unpredictable: the car's answer is bound to it
  address: Buffer; // where the answer goes
  tag: Buffer; // the signature: an encrypted answer is bound to it
}

/** Asks a domain of the car for its session info (section 5). */
export function handshakeMessage(domain: number, key: ECDH): Message {
  const [uuid, address] = [randomBytes(16), randomBytes(16)];
  const asks = encodeFields([[1, key.getPublicKey()]]);
  const bytes = encodeFields([[6, [[1, domain]]], [7, [[2, address]]], [14, asks], [51, uuid]]);
  return { bytes, uuid, address, tag: Buffer.alloc(0) };
}

/** Signs `payload` with the session's counter (sections 4 and 6). `expiresAt`: seconds of the car's clock. */
export function signedMessage(vin: string, domain: number, payload: Buffer, key: ECDH, session: Session,
  expiresAt: number, uuid = randomBytes(16), address = randomBytes(16)): Message {
  const { counter } = session;
  const epoch = Buffer.from(session.epoch, "hex");
  const covered = metadata([[0, Buffer.from([8])], [1, Buffer.from([domain])], [2, Buffer.from(vin)],
    [3, epoch], [4, fourBytes(expiresAt)], [5, fourBytes(counter)], [7, fourBytes(ENCRYPT_RESPONSE)]]);
  const k = sharedKey(key, Buffer.from(session.vehicleKey, "hex"));
  const tag = hmac(k, "authenticated command", [covered, payload]);
  const signer = encodeFields([[1, key.getPublicKey()]]);
  const hmacData = encodeFields([[1, epoch], [2, counter], [3, { fixed32: expiresAt }], [4, tag]]);
  const bytes = encodeFields([[6, [[1, domain]]], [7, [[2, address]]], [10, payload],
    [13, [[1, signer], [8, hmacData]]], [51, uuid], [52, ENCRYPT_RESPONSE]]);
  return { bytes, uuid, address, tag };
}

export interface Opened { fault: number; status: number; payload: Buffer; encrypted: boolean }

/** Opens the car's answer to `sent` (section 8); `k` decrypts it. Throws an Error for an answer to another
 * request, and for one that does not decrypt with all that it is bound to. */
export function openAnswer(answer: Fields, sent: Message, vin: string, domain: number, k?: Buffer): Opened {
  const uuid = bytesIn(answer, 50);
  const address = bytesIn(decodeFields(bytesIn(answer, 6)), 2);
  const from = numberIn(decodeFields(bytesIn(answer, 7)), 1);
  if (uuid.length > 0 && !uuid.equals(sent.uuid)) throw new Error("it answers another request");
  if (address.length > 0 && !address.equals(sent.address)) throw new Error("it is for another client");
  if (from !== domain) throw new Error("it comes from another part of the car");
  const messageStatus = decodeFields(bytesIn(answer, 12));
  const [status, fault] = [numberIn(messageStatus, 1), numberIn(messageStatus, 2)];
  const payload = bytesIn(answer, 10);
  const signature = decodeFields(bytesIn(answer, 13));
  if (!signature.has(9)) return { fault, status, payload, encrypted: false };

  if (!k) throw new Error("it is encrypted, without a key that both know");
  const gcm = decodeFields(bytesIn(signature, 9));
  const [nonce, counter, tag] = [bytesIn(gcm, 1), numberIn(gcm, 2), bytesIn(gcm, 3)];
  if (nonce.length !== 12 || tag.length !== 16) throw new Error("its signature has a wrong length");
  const requestHash = Buffer.concat([Buffer.from([8]), sent.tag]).subarray(0, domain === VCSEC ? 17 : 33);
  const covered = metadata([[0, Buffer.from([9])], [1, Buffer.from([from])], [2, Buffer.from(vin)],
    [5, fourBytes(counter)], [7, fourBytes(numberIn(answer, 52))], [8, requestHash], [9, fourBytes(fault)]]);
  const cipher = createDecipheriv("aes-128-gcm", k, nonce, { authTagLength: 16 }).setAuthTag(tag);
  cipher.setAAD(createHash("sha256").update(covered).digest());
  return { fault, status, payload: Buffer.concat([cipher.update(payload), cipher.final()]), encrypted: true };
}

/** What the car says to a command (sections 9 and 10), in the words of Tesla's REST answers. */
export function verdictOf(payload: Buffer, domain: number): { result: boolean; reason: string } {
  const message = decodeFields(payload);
  if (domain === INFOTAINMENT) {
    const action = decodeFields(bytesIn(message, 1));
    const reason = bytesIn(decodeFields(bytesIn(action, 2)), 1).toString("utf8");
    return { result: numberIn(action, 1) === 0, reason };
  }
  const error = numberIn(decodeFields(bytesIn(message, 46)), 1); // a nominalError; its presence refuses
  const status = numberIn(decodeFields(bytesIn(message, 4)), 1);
  const reason = VCSEC_ERRORS[error] ?? (status === 1 ? "busy" : `error ${error}, status ${status}`);
  return { result: !message.has(46) && status === 0, reason };
}
