// Sessions with the car (docs/protocol.md, sections 5 to 7, 12): what it tells of itself, when that is
// believed, and how it is kept in tesla_session.json, so that a command takes one request and not two.
import { timingSafeEqual, type ECDH } from "node:crypto";
import { readFileSync } from "node:fs";
import { stopForFault } from "./faults.ts";
import { replaceFile } from "./safe_file.ts";
import { hmac, metadata, sharedKey } from "./vehicle_key.ts";
import { bytesIn, decodeFields, numberIn, type Fields } from "./wire.ts";

export const SESSION_FILE = "tesla_session.json";

/** What the car tells of itself: its public key and epoch in hex, its clock in seconds. */
export interface SessionInfo { vehicleKey: string; epoch: string; counter: number; clock: number }

/** One per VIN and domain. No secret: it is of no use without private-key.pem. */
export interface Session extends SessionInfo {
  clientKey: string; // the public key of ours that it belongs to, hex
  zero: number; // our time, in seconds, when the car's clock stood at 0
  encrypted: boolean; // the car has answered encrypted before
  stale?: boolean; // shake hands before the next command
}

function readSessions(): Record<string, Session | undefined> {
  try {
    return Object(JSON.parse(readFileSync(SESSION_FILE, "utf8")));
  } catch {
    return {};
  }
}

/** The stored session. A file or entry that cannot be used counts as none, and so does one of another key of
 * ours: that costs one handshake, and what it remembered of the car. After a wrong clock it is stale only. */
export function readSession(name: string, key: ECDH): Session | undefined {
  const session = readSessions()[name];
  try {
    if (!session || session.clientKey !== key.getPublicKey("hex")) return undefined;
    sharedKey(key, Buffer.from(session.vehicleKey, "hex")); // throws when it is no point on the curve
    const age = Date.now() / 1000 - session.zero; // the car's clock; absurd after ours was wrong
    const isWhole = /^[0-9a-f]{130}$/.test(session.vehicleKey) && /^[0-9a-f]{32}$/.test(session.epoch)
      && [session.counter, session.clock].every((value) => Number.isInteger(value) && value >= 0)
      && typeof session.zero === "number" && session.counter < 2 ** 32 - 1 && session.clock < 2 ** 30;
    if (!isWhole) return undefined;
    return age >= 0 && age < 2 ** 30 ? session : { ...session, stale: true };
  } catch {
    return undefined;
  }
}

/** Writes the session that `produce` gives to the disk, whose room is taken before `produce` runs, and
 * returns it; the caller holds the lock of SESSION_FILE. */
export async function keepSession(name: string, produce: () => Promise<Session>): Promise<Session> {
  let kept = {} as Session;
  await replaceFile(SESSION_FILE, async () => {
    kept = await produce();
    return `${JSON.stringify({ ...readSessions(), [name]: kept }, null, 2)}\n`;
  });
  return kept;
}

/** The session info in an answer to our request `uuid`. Its status counts first; then its tag must be right
 * over VIN, uuid and the bytes as they came. Throws Stop 5 for a key that is not paired, else an Error. */
export function checkSessionInfo(answer: Fields, key: ECDH, vin: string, uuid: Buffer): SessionInfo {
  const bytes = bytesIn(answer, 15);
  const info = decodeFields(bytes);
  if (numberIn(info, 5) === 1) throw stopForFault(3, "status 1 (your key is not on its list)");
  if (numberIn(info, 5) !== 0) throw new Error("its status is unknown");
  const vehicleKey = bytesIn(info, 2);
  const tag = bytesIn(decodeFields(bytesIn(decodeFields(bytesIn(answer, 13)), 6)), 1);
  const covered = metadata([[0, Buffer.from([6])], [2, Buffer.from(vin)], [6, uuid]]);
  const right = hmac(sharedKey(key, vehicleKey), "session info", [covered, bytes]);
  if (tag.length !== right.length || !timingSafeEqual(tag, right)) throw new Error("its tag is wrong");
  const [counter, epoch, clock] = [numberIn(info, 1), bytesIn(info, 3), numberIn(info, 4)];
  if (epoch.length !== 16) throw new Error("its epoch is not 16 bytes");
  return { vehicleKey: vehicleKey.toString("hex"), epoch: epoch.toString("hex"), counter, clock };
}

/** The session after what the car told. Within an epoch neither clock nor counter goes back: session info
 * with an earlier clock is ignored, and the very same `old` returned. */
export function renewSession(old: Session | undefined, info: SessionInfo, key: ECDH): Session {
  const sameKey = old?.vehicleKey === info.vehicleKey;
  const sameEpoch = sameKey && old.epoch === info.epoch;
  if (sameEpoch && info.clock < old.clock) return old;
  const counter = sameEpoch ? Math.max(old.counter, info.counter) : info.counter;
  const zero = Date.now() / 1000 - info.clock;
  return { ...info, counter, clientKey: key.getPublicKey("hex"), zero, encrypted: sameKey && old.encrypted };
}
