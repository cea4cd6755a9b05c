// Signed commands (docs/protocol.md, sections 5 to 7, 11): the public entry point of this folder. In order:
// take the stored session, or shake hands for one; write the next counter to the disk; sign; send; open the
// answer. When the car proves that our session is out of date, the command is signed once more, if that
// does no harm and the first message can no longer be carried out. Nothing else is ever sent a second time.
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { unknownOutcome } from "../advice.ts";
import { asRecord, Failure, messageOf, say } from "../command_line.ts";
import type { Region } from "../hosts.ts";
import { readPrivateKey } from "../key_files.ts";
import { withLock } from "../safe_file.ts";
import { askFleetApi } from "../tesla_fetch.ts";
import { failureForFault } from "./faults.ts";
import { carTime, isUsable, keepSession, readSession, renewSession } from "./session.ts";
import { type Session, SESSION_FILE, sessionInfoIn } from "./session.ts";
import { handshakeMessage, MESSAGE, openAnswer, readVerdict, signedMessage, WAIT } from "./signed_message.ts";
import type { Domain, Opened, Target } from "./signed_message.ts";
import { sharedKey } from "./vehicle_key.ts";
import { encodeFields, type Field, valueAt } from "./wire.ts";

const LIFETIME_SECONDS = 15; // how long after signing the car may still accept the command
const MOST_WAIT_SECONDS = 20; // the lifetime, plus 5 seconds by which the clocks may differ
const COUNTER_WINDOW = 32; // how far behind its newest counter a car still accepts one (section 6)
const RESYNC_FAULTS = [5, 6, 15, 17, 20]; // signature, counter, epoch, too late, clock

export interface SignedCommand {
  domain: Domain; // the computer in the car that acts
  message: Field[]; // field numbers and values of Tesla's protobuf message
  repeatable: boolean; // doing it twice does no harm
  scope: string; // what the token must allow; vehicle_cmds will always do
}

/** The car's verdict, and how many requests it took: 1, one more for a handshake, and one more for a resync.
 * `doubtful`: it came unencrypted, though the car has answered encrypted before. */
export type Verdict = { result: boolean; reason: string; requests: number; doubtful: boolean };

// What it takes to reach the car, and how many requests went to it.
type Connection = { region: Region; bearer: string; scope: string; target: Target; requests: number };
// One attempt at a command: what was sent (it expires by the car's clock), and the car's answer.
type Attempt = Opened & { session: Session; expiresAt: number; uuid: Buffer; answer: Buffer };

// https://developer.tesla.com/docs/fleet-api/endpoints/vehicle-endpoints#signed-command
async function sendMessage(connection: Connection, message: Buffer, handshake?: true): Promise<Buffer> {
  connection.requests += 1;
  const { region, bearer, scope, target } = connection;
  const extras = { json: { routable_message: message.toString("base64") }, handshake, scope };
  const answer = await askFleetApi(region, `vehicles/${target.vin}/signed_command`, bearer, extras);
  const { response } = asRecord(answer);
  const bytes = Buffer.from(typeof response === "string" ? response : "", "base64");
  if (bytes.length > 0 && bytes.toString("base64") === response) return bytes;
  const found = "Tesla's answer holds no message from the car";
  if (!handshake) throw unknownOutcome(found);
  throw new Failure(1, "Tesla's answer cannot be read", found, "try again later");
}

// The session as the car reports it when it is asked. Nothing is signed, and nothing is written yet.
async function shakeHands(connection: Connection, stored?: Session): Promise<Session> {
  say("handshake: no usable session yet");
  const { target } = connection;
  const sent = handshakeMessage(target, randomBytes(16), randomBytes(16));
  const answer = await sendMessage(connection, sent.bytes, true);
  try {
    const { fault, status } = openAnswer(answer, sent, target); // never encrypted
    if (fault !== 0) throw failureForFault(fault);
    const hasInfo = valueAt(answer, [MESSAGE.info]) !== undefined;
    if (status === WAIT && !hasInfo) throw failureForFault(1, "WAIT from the car");
    const session = renewSession(stored, sessionInfoIn(answer, target, sent.uuid), target);
    if (session) return session;
    const fix = `try again later; if that does not help, delete ${SESSION_FILE}`;
    throw new Failure(1, "the car's clock went backwards", "an older time in the same epoch", fix);
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw new Failure(1, "the car's session info could not be verified", messageOf(error), "try again later");
  }
}

// Signs the command for the session's next counter, sends it, and opens the answer.
async function attempt(connection: Connection, before: Session, command: SignedCommand): Promise<Attempt> {
  const { target } = connection;
  const session = { ...before, counter: before.counter + 1 };
  await keepSession(target, session); // before it is sent: no other run may use this counter again
  const expiresAt = Math.floor(carTime(session)) + LIFETIME_SECONDS;
  const payload = payloadOf(command);
  const sent = signedMessage(target, payload, expiresAt, session, randomBytes(16), randomBytes(16));
  const answer = await sendMessage(connection, sent.bytes);
  const k = sharedKey(target.ownKey, Buffer.from(session.vehicleKey, "hex"));
  return { ...openAnswer(answer, sent, target, k), session, expiresAt, uuid: sent.uuid, answer };
}

// After the car's answer: a full disk must not hide what the car said.
async function remember(target: Target, session: Session): Promise<void> {
  await keepSession(target, session).catch((error) => say(`warning: ${messageOf(error)}`));
}

// The new session that the car sends, with proof, when it refuses ours. Without proof: a handshake next time.
async function resync({ target }: Connection, { session, answer, uuid }: Attempt): Promise<Session> {
  let proved: Session | undefined;
  try {
    proved = renewSession(session, sessionInfoIn(answer, target, uuid), target);
  } catch (error) {
    if (error instanceof Failure) throw error; // the key has changed, or ours is off the car
  }
  const renewed = proved ?? { ...session, stale: true };
  await remember(target, renewed);
  return renewed;
}

// For how many seconds the first message could still be carried out; 0 if not at all. A fault is not
// authenticated: someone could hold the message back, invent a fault, and let both through. So the second one
// waits until the first has expired.
function secondsAlive({ session, expiresAt }: Attempt, renewed: Session): number {
  if (renewed.epoch !== session.epoch || renewed.counter > session.counter + COUNTER_WINDOW) return 0;
  return Math.max(0, Math.ceil(expiresAt - carTime(renewed)) + 1);
}

// The command a second time, after the car has proved another session. Throws Failure when it must not be.
async function retry(connection: Connection, first: Attempt, command: SignedCommand): Promise<Attempt> {
  const renewed = await resync(connection, first);
  const seconds = secondsAlive(first, renewed);
  const isSafe = command.repeatable && isUsable(renewed) && seconds <= MOST_WAIT_SECONDS;
  if (!isSafe) throw failureForFault(first.fault);
  const when = seconds === 0 ? "" : `, in ${seconds} s, when the first signature has expired`;
  say(`session out of date (fault ${first.fault}): re-signing once${when}`);
  await sleep(seconds * 1000);
  return attempt(connection, renewed, command);
}

// From the stored session to the car's verdict. Throws an Error when the car's answer cannot be verified.
async function commandCar(connection: Connection, command: SignedCommand): Promise<Verdict> {
  const { target } = connection;
  const stored = readSession(target);
  const session = stored && isUsable(stored) ? stored : await shakeHands(connection, stored);
  let last = await attempt(connection, session, command);
  if (RESYNC_FAULTS.includes(last.fault)) last = await retry(connection, last, command);
  if (last.fault !== 0) throw failureForFault(last.fault);
  if (valueAt(last.answer, [MESSAGE.info]) !== undefined) {
    sessionInfoIn(last.answer, target, last.uuid); // throws Failure when our key is off the car by now
    throw new Error("it holds session info instead of a verdict");
  }
  if (last.status === WAIT) throw failureForFault(1, "WAIT from the car");
  if (last.status !== 0 && last.payload.length === 0) throw failureForFault(11, "ERROR from the car");
  const verdict = readVerdict(last.payload, target.domain);
  const before = last.session.encrypted;
  if (last.encrypted && !before) await remember(target, { ...last.session, encrypted: true });
  return { ...verdict, requests: connection.requests, doubtful: before && !last.encrypted };
}

/** The bytes that the car receives, unsigned. */
export function payloadOf({ message }: SignedCommand): Buffer {
  return encodeFields(message);
}

/** Sends one command, signed, and returns the car's verdict. Throws Failure; 8: unknown outcome. */
export async function sendSigned(region: Region, vin: string, bearer: string, command: SignedCommand) {
  const target = { vin, domain: command.domain, ownKey: readPrivateKey() };
  return withLock(SESSION_FILE, async () => {
    try {
      const connection = { region, bearer, scope: command.scope, target, requests: 0 };
      return await commandCar(connection, command);
    } catch (error) {
      if (error instanceof Failure) throw error;
      throw unknownOutcome(`the car's answer could not be verified: ${messageOf(error)}`);
    }
  });
}
