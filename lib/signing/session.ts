// Sessions with the car (docs/protocol.md, sections 5 to 7, 12): what it reports about itself, when that is
// trusted, and how it is kept in tesla_session.json, so that a command takes one request and not two.
import { timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import { asRecord, Failure, fixForFile, messageOf } from "../command_line.ts";
import { replaceFile } from "../safe_file.ts";
import { failureForFault } from "./faults.ts";
import { INFOTAINMENT, MESSAGE, SESSION_INFO, SIGNATURE, type Target, VCSEC } from "./signed_message.ts";
import { hmac, metadata, sharedKey } from "./vehicle_key.ts";
import { bytesAt, numberAt } from "./wire.ts";

export const SESSION_FILE = "tesla_session.json";

// Field numbers of a SessionInfo (section 3), and its status for a key that is not paired.
const INFO = { counter: 1, publicKey: 2, epoch: 3, clock: 4, status: 5 };
const KEY_NOT_ON_WHITELIST = 1;
const MOST_SECONDS = 2 ** 30; // of the car's clock: then its epoch ends (section 6)
const MOST_COUNTER = 2 ** 32 - 1;

/** What the car reports about itself: its public key and epoch in hex, its clock in seconds. */
export type SessionInfo = { vehicleKey: string; epoch: string; counter: number; clock: number };

/** One per VIN and domain. No secret: it is of no use without private-key.pem. */
export type Session = SessionInfo & {
  clientKey: string; // our public key, in hex: a session of another key is useless
  clockOffset: number; // our time minus the car's, in seconds
  encrypted: boolean; // the car has answered encrypted before
  stale?: boolean; // shake hands before the next command
};

function nameOf({ vin, domain }: Pick<Target, "vin" | "domain">): string {
  return `${vin} ${domain === VCSEC ? "vcsec" : "infotainment"}`;
}

// A damaged file counts as empty: the next command shakes hands, and trusts the key that it then sees.
function readSessions(): Record<string, unknown> {
  try {
    return asRecord(JSON.parse(readFileSync(SESSION_FILE, "utf8")));
  } catch (error) {
    if (error instanceof SyntaxError || asRecord(error).code === "ENOENT") return {};
    const fix = fixForFile(SESSION_FILE, error);
    throw new Failure(1, `${SESSION_FILE} cannot be read`, messageOf(error), fix);
  }
}

/** The stored session, if it is well formed and belongs to our key. It may be out of date: see isUsable. */
export function readSession(target: Target): Session | undefined {
  const session = asRecord(readSessions()[nameOf(target)]);
  const { clientKey, vehicleKey, epoch, counter, clock, clockOffset } = session;
  try {
    if (clientKey !== target.ownKey.getPublicKey("hex")) return undefined;
    if (typeof vehicleKey !== "string" || typeof epoch !== "string") return undefined;
    sharedKey(target.ownKey, Buffer.from(vehicleKey, "hex")); // throws when it is not on the curve
    const isCount = (n: unknown): boolean =>
      typeof n === "number" && n % 1 === 0 && n >= 0 && n < MOST_COUNTER;
    const hasNumbers = isCount(counter) && isCount(clock) && typeof clockOffset === "number";
    return hasNumbers && /^[0-9a-f]{32}$/.test(epoch) ? (session as unknown as Session) : undefined;
  } catch {
    return undefined;
  }
}

/** Whether this car has answered a signed command encrypted, as far as the file remembers. */
export function hasAnsweredEncrypted(vin: string): boolean {
  const sessions = readSessions();
  const domains = [VCSEC, INFOTAINMENT] as const;
  return domains.some((domain) => asRecord(sessions[nameOf({ vin, domain })]).encrypted === true);
}

/** The car's clock now, in seconds, worked out from ours. */
export function carTime({ clockOffset }: Session): number {
  return Date.now() / 1000 - clockOffset;
}

/** Whether a command may be signed with it: not when it is stale, nor when our own clock has gone back. */
export function isUsable(session: Session): boolean {
  const now = carTime(session);
  return !session.stale && now >= session.clock && now < MOST_SECONDS;
}

/** Writes the session to the disk; the caller holds the lock of SESSION_FILE. Throws Failure 1. */
export async function keepSession(target: Target, session: Session): Promise<void> {
  await replaceFile(SESSION_FILE, async () => ({ ...readSessions(), [nameOf(target)]: session }));
}

/** The session info in an answer to our request `uuid`. Its status is read before its tag, and may be forged;
 * the tag covers VIN, uuid and the bytes as they came. Throws Failure 5 for an unpaired key, or an Error. */
export function sessionInfoIn(answer: Buffer, { vin, ownKey }: Target, uuid: Buffer): SessionInfo {
  const info = bytesAt(answer, [MESSAGE.info]);
  const status = numberAt(info, [INFO.status]);
  if (status === KEY_NOT_ON_WHITELIST) throw failureForFault(3, "session info with status 1 from the car");
  if (status !== 0) throw new Error("its status is unknown");
  const vehicleKey = bytesAt(info, [INFO.publicKey]);
  const tag = bytesAt(answer, [MESSAGE.signature, SIGNATURE.infoTag, 1]);
  const covered = metadata({ type: SESSION_INFO, vin, challenge: uuid });
  const right = hmac(sharedKey(ownKey, vehicleKey), "session info", [covered, info]);
  if (tag.length !== right.length || !timingSafeEqual(tag, right)) throw new Error("its tag is wrong");
  const epoch = bytesAt(info, [INFO.epoch]);
  const [counter, clock] = [numberAt(info, [INFO.counter]), numberAt(info, [INFO.clock])];
  const isInRange = epoch.length === 16 && clock < MOST_SECONDS && counter < MOST_COUNTER;
  if (!isInRange) throw new Error("out of range");
  return { vehicleKey: vehicleKey.toString("hex"), epoch: epoch.toString("hex"), counter, clock };
}

/** The session after what the car reported. Within an epoch the counter never goes back, and undefined is
 * returned when the car's clock has gone back. Throws Failure 5 when the car's key has changed. */
export function renewSession(old: Session | undefined, info: SessionInfo, { ownKey }: Target) {
  if (old && old.vehicleKey !== info.vehicleKey) {
    const problem = "the car's key has changed; nothing was signed for the new one";
    const found = "someone may be intercepting, or the car has a new computer";
    throw new Failure(5, problem, found, `if the car got a new computer, delete ${SESSION_FILE}`);
  }
  const isSameEpoch = old?.epoch === info.epoch;
  if (isSameEpoch && info.clock < old.clock) return undefined;
  const counter = isSameEpoch ? Math.max(old.counter, info.counter) : info.counter;
  const clockOffset = Date.now() / 1000 - info.clock;
  const clientKey = ownKey.getPublicKey("hex");
  const session: Session = { ...info, counter, clockOffset, clientKey, encrypted: old?.encrypted ?? false };
  return session;
}
