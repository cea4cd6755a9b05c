// Sessions with the car (protocol: sections 5 to 7 and 12): what the car tells of itself, when it is believed,
// and how it is kept in tesla_session.json, so that a command takes one request and not two.
import { timingSafeEqual, type ECDH } from "node:crypto";
import { readFileSync } from "node:fs";
import { stopForFault } from "./faults.ts";
import { replaceFile } from "./safe_file.ts";
import { hmac, metadata, sharedKey } from "./vehicle_key.ts";
import { bytesIn, decodeFields, numberIn, type Fields } from "./wire.ts";

export const SESSION_FILE = "tesla_session.json";

/** One per VIN and domain. No secret: without private-key.pem it is of no use to anybody. */
export interface Session {
  vehicleKey: string; // the car's public key, hex
  clientKey: string; // the public key of ours that it belongs to, hex
  epoch: string; // hex; the car takes a new one when it boots
  counter: number; // the last one used; no two commands may share one
  clock: number; // the car's clock in seconds, when it last told it
  zero: number; // our time in seconds when the car's clock stood at 0
  encrypted: boolean; // the car has answered encrypted before
  stale?: boolean; // shake hands before the next command
}

/** What the car tells of itself. */
export type SessionInfo = Pick<Session, "vehicleKey" | "epoch" | "counter" | "clock">;

/** The stored session of `name`, with what is remembered of the car. A file or an entry that cannot be used
 * counts as none, and so does one that belongs to another key of ours: that costs one handshake. */
export function readSession(name: string, key: ECDH): Session | undefined {
  const session = readSessions()[name];
  const whole = session && /^04[0-9a-f]{128}$/.test(session.vehicleKey) && /^([0-9a-f]{32})?$/.test(session.epoch)
    && [session.counter, session.clock].every((value) => Number.isInteger(value) && value >= 0 && value < 2 ** 32)
    && Number.isFinite(session.zero) && session.clientKey === key.getPublicKey("hex");
  return whole ? session : undefined;
}

function readSessions(): Record<string, Session | undefined> {
  try {
    return Object(JSON.parse(readFileSync(SESSION_FILE, "utf8"))) as Record<string, Session>;
  } catch {
    return {};
  }
}

/** Writes a session to the disk; the caller holds the lock of SESSION_FILE. */
export async function keepSession(name: string, session: Session): Promise<void> {
  const text = `${JSON.stringify({ ...readSessions(), [name]: session }, null, 2)}\n`;
  await replaceFile(SESSION_FILE, async () => text);
}

/** The session info in an answer to our request `uuid`. The status counts first; then the tag must be right over
 * the VIN, our own uuid and the bytes as they came. Throws Stop 5 for a key that is not paired, else an Error. */
export function checkSessionInfo(answer: Fields, key: ECDH, vin: string, uuid: Buffer): SessionInfo {
  const bytes = bytesIn(answer, 15);
  const info = decodeFields(bytes);
  if (numberIn(info, 5) === 1) throw stopForFault(3);
  if (numberIn(info, 5) !== 0) throw new Error("its status is unknown");
  const vehicleKey = bytesIn(info, 2);
  const signature = decodeFields(bytesIn(answer, 13));
  const tag = bytesIn(decodeFields(bytesIn(signature, 6)), 1);
  const covered = metadata([[0, Buffer.from([6])], [2, Buffer.from(vin)], [6, uuid]]);
  const right = hmac(sharedKey(key, vehicleKey), "session info", [covered, bytes]);
  if (tag.length !== right.length || !timingSafeEqual(tag, right)) throw new Error("its tag is wrong");
  const epoch = bytesIn(info, 3).toString("hex");
  if (epoch.length !== 32) throw new Error("its epoch is not 16 bytes");
  return { vehicleKey: vehicleKey.toString("hex"), epoch, counter: numberIn(info, 1), clock: numberIn(info, 4) };
}

/** The session with what the car has told. Within an epoch neither clock nor counter goes back: session info
 * with an earlier clock is ignored, and the very same `old` returned. */
export function renewSession(old: Session | undefined, info: SessionInfo, key: ECDH): Session {
  const known = old?.vehicleKey === info.vehicleKey;
  const sameEpoch = known && old.epoch === info.epoch;
  if (sameEpoch && info.clock < old.clock) return old;
  return {
    ...info,
    counter: sameEpoch ? Math.max(old.counter, info.counter) : info.counter,
    clientKey: key.getPublicKey("hex"),
    zero: Date.now() / 1000 - info.clock,
    encrypted: known && old.encrypted === true,
  };
}
