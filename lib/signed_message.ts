// The messages of signed commands (protocol: sections 4 to 6, 8 to 10): how a request is made and signed, and how
// the car's answer is opened and read. Nothing is sent, read or stored here.
import { createDecipheriv, createHash, randomBytes, type ECDH } from "node:crypto";
import type { Session } from "./session.ts";
import { fourBytes, hmac, metadata, sharedKey } from "./vehicle_key.ts";
import { bytesIn, decodeFields, encodeFields, numberIn, type Fields } from "./wire.ts";

export const VCSEC = 2; // the domain of locks, trunks and keys; every other command is for infotainment
export const INFOTAINMENT = 3;
const ENCRYPT_RESPONSE = 2; // flag: the car shall encrypt its answer (section 2)

export interface Message {
  bytes: Buffer;
  uuid: Buffer; // ours; the car's answer must name it
  address: Buffer; // where the answer is to go
  tag: Buffer; // the signature; an encrypted answer is bound to it
}

/** Asks a domain of the car for its session info (section 5). */
export function handshakeMessage(domain: number, key: ECDH): Message {
  const [uuid, address] = [randomBytes(16), randomBytes(16)];
  const bytes = encodeFields([[6, [[1, domain]]], [7, [[2, address]]], [14, [[1, key.getPublicKey()]]], [51, uuid]]);
  return { bytes, uuid, address, tag: Buffer.alloc(0) };
}

/** Signs `payload` for a domain of the car (sections 4 and 6). `expiresAt` in seconds of the car's clock. */
export function signedMessage(vin: string, domain: number, payload: Buffer, key: ECDH, session: Session,
  expiresAt: number, uuid = randomBytes(16), address = randomBytes(16)): Message {
  const epoch = Buffer.from(session.epoch, "hex");
  const covered = metadata([[0, Buffer.from([8])], [1, Buffer.from([domain])], [2, Buffer.from(vin)], [3, epoch],
    [4, fourBytes(expiresAt)], [5, fourBytes(session.counter)], [7, fourBytes(ENCRYPT_RESPONSE)]]);
  const k = sharedKey(key, Buffer.from(session.vehicleKey, "hex"));
  const tag = hmac(k, "authenticated command", [covered, payload]);
  const signature = encodeFields([
    [1, [[1, key.getPublicKey()]]],
    [8, [[1, epoch], [2, session.counter], [3, { fixed32: expiresAt }], [4, tag]]],
  ]);
  const bytes = encodeFields([[6, [[1, domain]]], [7, [[2, address]]], [10, payload], [13, signature], [51, uuid],
    [52, ENCRYPT_RESPONSE]]);
  return { bytes, uuid, address, tag };
}

/** Opens the car's answer to `sent` (section 8). Throws an Error for one that belongs to another request, or that
 * does not decrypt with everything it is bound to. */
export function openAnswer(answer: Fields, sent: Message, vin: string, domain: number, k: Buffer):
  { fault: number; status: number; payload: Buffer; encrypted: boolean } {
  const uuid = bytesIn(answer, 50);
  const address = bytesIn(decodeFields(bytesIn(answer, 6)), 2);
  const from = numberIn(decodeFields(bytesIn(answer, 7)), 1);
  if (uuid.length > 0 && !uuid.equals(sent.uuid)) throw new Error("it answers another request");
  if (address.length > 0 && !address.equals(sent.address)) throw new Error("it is addressed to another client");
  if (from !== domain) throw new Error("it comes from another part of the car");
  const messageStatus = decodeFields(bytesIn(answer, 12));
  const [status, fault] = [numberIn(messageStatus, 1), numberIn(messageStatus, 2)];
  const payload = bytesIn(answer, 10);
  const signature = decodeFields(bytesIn(answer, 13));
  if (!signature.has(9)) return { fault, status, payload, encrypted: false };

  const response = decodeFields(bytesIn(signature, 9));
  const requestHash = Buffer.concat([Buffer.from([8]), sent.tag]).subarray(0, domain === 2 ? 17 : 33);
  const covered = metadata([[0, Buffer.from([9])], [1, Buffer.from([from])], [2, Buffer.from(vin)],
    [5, fourBytes(numberIn(response, 2))], [7, fourBytes(numberIn(answer, 52))], [8, requestHash],
    [9, fourBytes(fault)]]);
  const [nonce, tag] = [bytesIn(response, 1), bytesIn(response, 3)];
  if (nonce.length !== 12 || tag.length !== 16) throw new Error("its signature has a wrong length");
  const cipher = createDecipheriv("aes-128-gcm", k, nonce).setAuthTag(tag);
  cipher.setAAD(createHash("sha256").update(covered).digest());
  return { fault, status, payload: Buffer.concat([cipher.update(payload), cipher.final()]), encrypted: true };
}

/** What the car says of a command (section 9 for infotainment, section 10 for VCSEC), in the words of Tesla's REST answers. */
export function verdictOf(payload: Buffer, domain: number): { result: boolean; reason: string } {
  const message = decodeFields(payload);
  if (domain === 2) {
    const nominal = numberIn(decodeFields(bytesIn(message, 46)), 1);
    const status = numberIn(decodeFields(bytesIn(message, 4)), 1);
    if (nominal !== 0) return { result: false, reason: `generic error ${nominal}` };
    return { result: status === 0, reason: status === 1 ? "busy" : status === 0 ? "" : "unknown error" };
  }
  const action = decodeFields(bytesIn(message, 1));
  const reason = bytesIn(decodeFields(bytesIn(action, 2)), 1).toString("utf8");
  return { result: numberIn(action, 1) === 0, reason: reason };
}
