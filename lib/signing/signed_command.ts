// Signed commands (docs/protocol.md, sections 5 to 7, 11), and the door to this folder. In order: take the
// stored session, or shake hands for one; write the next counter to the disk; sign; send; open the answer.
// When the car proves that our session is out of date, the command is signed once more, if doing it twice
// does no harm. Nothing else is ever sent a second time.
import { messageOf, say, Stop, unknownOutcome } from "../command_line.ts";
import { readPrivateKey } from "../key_files.ts";
import { withLock } from "../safe_file.ts";
import { askFleetApi } from "../tesla_fetch.ts";
import { RESYNC_FAULTS, stopForFault } from "./faults.ts";
import { isUsable, keepSession, readSession, renewSession, SESSION_FILE, sessionInfoIn, type Session }
  from "./session.ts";
import { handshakeMessage, MESSAGE, openAnswer, signedMessage, verdictOf, type Opened, type Peer }
  from "./signed_message.ts";
import { sharedKey } from "./vehicle_key.ts";
import { encodeFields, valueAt, type Field } from "./wire.ts";

const LIFETIME_SECONDS = 15; // how long after signing the car may still take the command

export interface SignedCommand {
  domain: number; // the computer in the car that acts: 2 security, 3 infotainment
  message: Field[]; // what it is told: field numbers and values of Tesla's protobuf message
  repeatable: boolean; // doing it twice does no harm
}

/** The car's verdict, and how many requests it took: 1, one more for a handshake, and one more for a resync.
 * `doubtful`: it came unencrypted, though the car has answered encrypted before. */
export interface Verdict { result: boolean; reason: string; requests: number; doubtful: boolean }

// What it takes to reach the car, and how many requests went to it.
interface Link { region: string; bearer: string; peer: Peer; requests: number }

// https://developer.tesla.com/docs/fleet-api/endpoints/vehicle-endpoints#signed-command
async function exchange(link: Link, message: Buffer, moves: boolean): Promise<Buffer> {
  link.requests += 1;
  const json = { routable_message: message.toString("base64") };
  const path = `vehicles/${link.peer.vin}/signed_command`;
  const { response } = await askFleetApi(link.region, path, link.bearer, { json, moves });
  const bytes = Buffer.from(String(response), "base64");
  if (bytes.length > 0 && bytes.toString("base64") === response) return bytes;
  const what = "Tesla's answer holds no message from the car";
  throw moves ? unknownOutcome(what) : new Stop(1, `${what}; try again later`);
}

// The session as the car tells it when it is asked. Nothing is signed, and nothing is written yet.
async function shakeHands(link: Link, stored?: Session): Promise<Session> {
  say("handshake: there is no session with this part of the car yet, or none that can be used");
  const sent = handshakeMessage(link.peer);
  const answer = await exchange(link, sent.bytes, false);
  try {
    const { fault, status } = openAnswer(answer, sent, link.peer); // never encrypted
    if (fault !== 0) throw stopForFault(fault);
    if (status === 1 && valueAt(answer, [MESSAGE.info]) === undefined) throw stopForFault(1, "WAIT");
    return renewSession(stored, sessionInfoIn(answer, link.peer, sent.uuid), link.peer);
  } catch (error) {
    if (error instanceof Stop) throw error;
    throw new Stop(1, `the car's session info is not believed: ${messageOf(error)}; try again later`);
  }
}

interface Attempt extends Opened { session: Session; uuid: Buffer; answer: Buffer }

// Signs the command for the session's next counter, sends it, and opens the answer.
async function attempt(link: Link, before: Session, command: SignedCommand): Promise<Attempt> {
  const { peer } = link;
  const session = { ...before, counter: before.counter + 1 };
  await keepSession(peer, session); // on the disk before it is sent: no other run may use this counter again
  const expiresAt = Math.floor(Date.now() / 1000 - session.zero) + LIFETIME_SECONDS;
  const sent = signedMessage(peer, payloadOf(command), expiresAt, session);
  const answer = await exchange(link, sent.bytes, true);
  const k = sharedKey(peer.key, Buffer.from(session.vehicleKey, "hex"));
  return { ...openAnswer(answer, sent, peer, k), session, uuid: sent.uuid, answer };
}

// After the car's answer: a full disk must not hide what the car said.
async function remember(peer: Peer, session: Session): Promise<void> {
  await keepSession(peer, session).catch((error) => say(`warning: ${messageOf(error).split(";")[0]}`));
}

// The session as the car proves it when it refuses ours. Without proof the next run shakes hands.
async function resync({ peer }: Link, { session, answer, uuid }: Attempt): Promise<Session> {
  let renewed: Session = { ...session, stale: true };
  try {
    renewed = renewSession(session, sessionInfoIn(answer, peer, uuid), peer);
  } catch (error) {
    if (error instanceof Stop) throw error;
  }
  await remember(peer, renewed);
  return renewed;
}

// From the stored session to the car's verdict. Throws an Error when the car's answer is not to be believed.
async function verdictOn(link: Link, command: SignedCommand): Promise<Verdict> {
  const { peer } = link;
  const stored = readSession(peer);
  const session = stored && isUsable(stored) ? stored : await shakeHands(link, stored);
  let made = await attempt(link, session, command);
  if (RESYNC_FAULTS.includes(made.fault)) {
    const renewed = await resync(link, made);
    if (!command.repeatable || !isUsable(renewed)) throw stopForFault(made.fault);
    say(`the car proves that our session is out of date (fault ${made.fault}): signing again, once`);
    made = await attempt(link, renewed, command);
  }
  if (made.fault !== 0) throw stopForFault(made.fault);
  if (valueAt(made.answer, [MESSAGE.info]) !== undefined) {
    sessionInfoIn(made.answer, peer, made.uuid); // throws Stop when our key is off the car by now
    throw new Error("it is session info, and no verdict");
  }
  if (made.status === 1) throw stopForFault(1, "WAIT");
  if (made.status !== 0 && made.payload.length === 0) throw stopForFault(11);
  const verdict = verdictOf(made.payload, peer.domain);
  const before = made.session.encrypted;
  if (made.encrypted && !before) await remember(peer, { ...made.session, encrypted: true });
  return { ...verdict, requests: link.requests, doubtful: before && !made.encrypted };
}

/** The bytes that the car is told, unsigned. */
export function payloadOf({ message }: SignedCommand): Buffer {
  return encodeFields(message);
}

/** Sends one command, signed, and returns the car's verdict. Throws Stop; 8: unknown outcome. */
export async function sendSigned(region: string, vin: string, bearer: string, command: SignedCommand):
  Promise<Verdict> {
  const link = { region, bearer, requests: 0, peer: { vin, domain: command.domain, key: readPrivateKey() } };
  let verdict: Verdict = { result: false, reason: "", requests: 0, doubtful: true };
  await withLock(SESSION_FILE, async () => {
    try {
      verdict = await verdictOn(link, command);
    } catch (error) {
      if (error instanceof Stop) throw error;
      throw unknownOutcome(`the car's answer is not believed: ${messageOf(error)}`);
    }
  });
  return verdict;
}
