// Signed commands (docs/protocol.md, sections 5 to 7, 11), and the door to this folder. In order: take the
// stored session, or shake hands for one; write the next counter to the disk; sign; send; open the answer.
// When the car proves that our session is out of date, the command is signed once more, if doing it twice
// does no harm. Nothing else is ever sent a second time.
import { messageOf, say, Stop, unknownOutcome } from "../command_line.ts";
import { readPrivateKey } from "../key_files.ts";
import { withLock } from "../safe_file.ts";
import { askFleetApi } from "../tesla_fetch.ts";
import { RESYNC_FAULTS, stopForFault } from "./faults.ts";
import { isUsable, keepSession, readSession, renewSession, SESSION_FILE, sessionInfoIn, type Session,
  type SessionInfo } from "./session.ts";
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

/** The car's verdict, and how many requests it took: 2 with a handshake or after a resync, else 1.
 * `doubtful`: it came unencrypted, though the car has answered encrypted before. */
export interface Verdict { result: boolean; reason: string; requests: number; doubtful: boolean }

// What is needed to reach the car, and how many requests went to it.
interface Line { region: string; bearer: string; peer: Peer; requests: number }

// https://developer.tesla.com/docs/fleet-api/endpoints/vehicle-endpoints#signed-command
async function exchange(line: Line, message: Buffer, moves: boolean): Promise<Buffer> {
  line.requests += 1;
  const json = { routable_message: message.toString("base64") };
  const path = `vehicles/${line.peer.vin}/signed_command`;
  const { response } = await askFleetApi(line.region, path, line.bearer, { json, moves });
  const bytes = Buffer.from(String(response), "base64");
  if (bytes.length > 0 && bytes.toString("base64") === response) return bytes;
  const what = "there is no message of the car's in the answer";
  throw moves ? unknownOutcome(what) : new Stop(1, `${what}; try again later`);
}

// The session as the car tells it when it is asked. Nothing is signed, and nothing is written yet.
async function shakeHands(line: Line, stored?: Session): Promise<Session> {
  say("handshake: there is no session with this part of the car yet, or none that can be used");
  const sent = handshakeMessage(line.peer);
  const answer = await exchange(line, sent.bytes, false);
  try {
    const { fault, status } = openAnswer(answer, sent, line.peer); // never encrypted
    if (fault !== 0) throw stopForFault(fault);
    if (status === 1 && valueAt(answer, [MESSAGE.info]) === undefined) throw stopForFault(1, "WAIT");
    return renewSession(stored, sessionInfoIn(answer, line.peer, sent.uuid), line.peer);
  } catch (error) {
    if (error instanceof Stop) throw error;
    throw new Stop(1, `the car's session info is not believed: ${messageOf(error)}; try again later`);
  }
}

interface Attempt extends Opened { answer: Buffer; uuid: Buffer; session: Session; says: typeof NOTHING }
const NOTHING = { result: false, reason: "" };

// Signs the command for the next counter, sends it, and opens the answer.
async function attempt(line: Line, before: Session, command: SignedCommand): Promise<Attempt> {
  const { peer } = line;
  const session = { ...before, counter: before.counter + 1 };
  await keepSession(peer, session); // on the disk before it is sent: no other run may use this counter again
  const expiresAt = Math.floor(Date.now() / 1000 - session.zero) + LIFETIME_SECONDS;
  const sent = signedMessage(peer, payloadOf(command), expiresAt, session);
  const answer = await exchange(line, sent.bytes, true);
  try {
    const k = sharedKey(peer.key, Buffer.from(session.vehicleKey, "hex"));
    const opened = openAnswer(answer, sent, peer, k);
    if (opened.fault === 0 && valueAt(answer, [MESSAGE.info]) !== undefined) {
      sessionInfoIn(answer, peer, sent.uuid); // throws when our key is off the car by now
      throw new Error("it is session info, and no verdict");
    }
    const says = opened.fault === 0 ? verdictOf(opened.payload, peer.domain) : NOTHING;
    return { ...opened, answer, uuid: sent.uuid, session, says };
  } catch (error) {
    if (error instanceof Stop) throw error;
    throw unknownOutcome(`the car's answer is not believed: ${messageOf(error)}`);
  }
}

// The session as the car proves it when it refuses ours. Without proof the next run shakes hands.
async function resync({ peer }: Line, { session, answer, uuid }: Attempt): Promise<Session> {
  let renewed: Session = { ...session, stale: true };
  try {
    renewed = renewSession(session, sessionInfoIn(answer, peer, uuid), peer);
  } catch (error) {
    if (error instanceof Stop) throw error;
  }
  await remember(peer, renewed);
  return renewed;
}

// After the car's answer: a full disk must not hide what the car said.
async function remember(peer: Peer, session: Session): Promise<void> {
  await keepSession(peer, session).catch((error) => say(`warning: ${messageOf(error).split(";")[0]}`));
}

// From the stored session to the car's verdict, while no other run uses the session.
async function verdictOn(line: Line, command: SignedCommand): Promise<Verdict> {
  const stored = readSession(line.peer);
  const session = stored && isUsable(stored) ? stored : await shakeHands(line, stored);
  let made = await attempt(line, session, command);
  if (RESYNC_FAULTS.includes(made.fault)) {
    const renewed = await resync(line, made);
    if (!command.repeatable || !isUsable(renewed)) throw stopForFault(made.fault);
    say(`the car proves that our session is out of date (fault ${made.fault}): signing again, once`);
    made = await attempt(line, renewed, command);
  }
  if (made.fault !== 0) throw stopForFault(made.fault);
  if (made.status === 1) throw stopForFault(1, "WAIT");
  if (made.status !== 0 && made.payload.length === 0) throw stopForFault(11);
  const wasEncrypted = made.session.encrypted;
  if (made.encrypted && !wasEncrypted) await remember(line.peer, { ...made.session, encrypted: true });
  return { ...made.says, requests: line.requests, doubtful: wasEncrypted && !made.encrypted };
}

/** The bytes that the car is told, unsigned. */
export function payloadOf({ message }: SignedCommand): Buffer {
  return encodeFields(message);
}

/** Sends one command, signed, and returns the car's verdict. Throws Stop; 8: unknown outcome. */
export async function sendSigned(region: string, vin: string, bearer: string, command: SignedCommand):
  Promise<Verdict> {
  const line = { region, bearer, requests: 0, peer: { vin, domain: command.domain, key: readPrivateKey() } };
  let verdict: Verdict = { result: false, reason: "", requests: 0, doubtful: true };
  await withLock(SESSION_FILE, async () => { verdict = await verdictOn(line, command); });
  return verdict;
}
