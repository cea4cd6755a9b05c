// Sessions with the car (docs/protocol.md, sections 5 to 7, 12): what it tells of itself, when that is
// believed, and how it is kept in tesla_session.json, so that a command takes one request and not two.
import { timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import { messageOf, Stop } from "../command_line.ts";
import { replaceFile } from "../safe_file.ts";
import { stopForFault } from "./faults.ts";
import { MESSAGE, SESSION_INFO, SIGNATURE, VCSEC, type Peer } from "./signed_message.ts";
import { hmac, metadata, sharedKey } from "./vehicle_key.ts";
import { bytesAt, numberAt } from "./wire.ts";

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

function nameOf({ vin, domain }: Peer): string {
  return `${vin} ${domain === VCSEC ? "vcsec" : "infotainment"}`;
}

// A damaged file counts as empty: that costs one handshake, and what it remembered of the car.
function readSessions(): Record<string, Session | undefined> {
  try {
    return Object(JSON.parse(readFileSync(SESSION_FILE, "utf8")));
  } catch (error) {
    if (error instanceof SyntaxError || Object(error).code === "ENOENT") return {};
    const todo = `run: sudo chown "$USER" ${SESSION_FILE}`;
    throw new Stop(1, `${SESSION_FILE} cannot be read: ${messageOf(error)}; ${todo}`);
  }
}

/** The stored session, if it is well formed and belongs to our key. It may be out of date: see isUsable. */
export function readSession(peer: Peer): Session | undefined {
  const session = readSessions()[nameOf(peer)];
  try {
    if (session?.clientKey !== peer.key.getPublicKey("hex")) return undefined;
    sharedKey(peer.key, Buffer.from(session.vehicleKey, "hex")); // throws when it is no point on the curve
    const isWhole = /^[0-9a-f]{32}$/.test(session.epoch) && typeof session.zero === "number"
      && [session.counter, session.clock].every((n) => Number.isInteger(n) && n >= 0 && n < 2 ** 32 - 1);
    return isWhole ? session : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a command may be signed with it: not when it is stale, nor after our own clock was wrong. */
export function isUsable({ stale, clock, zero }: Session): boolean {
  const now = Date.now() / 1000 - zero; // by the car's clock
  return !stale && now >= clock && now < 2 ** 30;
}

/** Writes the session to the disk; the caller holds the lock of SESSION_FILE. Throws Stop 1. */
export async function keepSession(peer: Peer, session: Session): Promise<void> {
  const all = { ...readSessions(), [nameOf(peer)]: session };
  await replaceFile(SESSION_FILE, async () => `${JSON.stringify(all, null, 2)}\n`);
}

/** The session info in an answer to our request `uuid`. Its status counts first; then its tag must be right
 * over VIN, uuid and the bytes as they came. Throws Stop 5 for a key that is not paired, else an Error. */
export function sessionInfoIn(answer: Buffer, { vin, key }: Peer, uuid: Buffer): SessionInfo {
  const info = bytesAt(answer, [MESSAGE.info]); // 1 counter, 2 publicKey, 3 epoch, 4 clock_time, 5 status
  const status = numberAt(info, [5]);
  if (status === 1) throw stopForFault(3, "status 1 (your key is not on its list)");
  if (status !== 0) throw new Error("its status is unknown");
  const vehicleKey = bytesAt(info, [2]);
  const tag = bytesAt(answer, [MESSAGE.signature, SIGNATURE.infoTag, 1]);
  const covered = metadata({ type: SESSION_INFO, vin, challenge: uuid });
  const right = hmac(sharedKey(key, vehicleKey), "session info", [covered, info]);
  if (tag.length !== right.length || !timingSafeEqual(tag, right)) throw new Error("its tag is wrong");
  const [counter, epoch, clock] = [numberAt(info, [1]), bytesAt(info, [3]), numberAt(info, [4])];
  if (epoch.length !== 16 || clock >= 2 ** 30 || counter >= 2 ** 32 - 1) throw new Error("out of range");
  return { vehicleKey: vehicleKey.toString("hex"), epoch: epoch.toString("hex"), counter, clock };
}

/** The session after what the car told. Within an epoch neither clock nor counter goes back. Throws Stop 5
 * when the car shows another key than before, and an Error when its clock goes back. */
export function renewSession(old: Session | undefined, info: SessionInfo, { key }: Peer): Session {
  if (old && old.vehicleKey !== info.vehicleKey) {
    throw new Stop(5, "the car shows another key than before: somebody may stand between, or it has a new "
      + `computer; nothing was signed for this key; if the car got a new computer, delete ${SESSION_FILE}`);
  }
  const isSameEpoch = old?.epoch === info.epoch;
  if (isSameEpoch && info.clock < old.clock) throw new Error("its clock goes back");
  const counter = isSameEpoch ? Math.max(old.counter, info.counter) : info.counter;
  const zero = Date.now() / 1000 - info.clock;
  return { ...info, counter, zero, clientKey: key.getPublicKey("hex"), encrypted: old?.encrypted ?? false };
}
