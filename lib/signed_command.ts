// Signed commands (protocol: sections 5 to 7, 11), from the stored session to the car's own verdict.
//
// In order: take the stored session, or shake hands for one; write the next counter to the disk; sign; send;
// open the answer. When the car proves that our session is out of date, the command is signed once more, if
// doing it twice does no harm. Nothing else is ever sent a second time.
import { messageOf, say, Stop } from "./command_line.ts";
import { RESYNC_FAULTS, stopForFault } from "./faults.ts";
import { takeLock } from "./safe_file.ts";
import { checkSessionInfo, keepSession, readSession, renewSession, SESSION_FILE, type Session, type SessionInfo }
  from "./session.ts";
import { handshakeMessage, openAnswer, signedMessage, verdictOf, VCSEC, type Message } from "./signed_message.ts";
import { lostAnswer, teslaJson } from "./tesla_fetch.ts";
import { readPrivateKey, sharedKey } from "./vehicle_key.ts";
import { decodeFields, type Fields } from "./wire.ts";

const LIFETIME_SECONDS = 15; // how long after signing the car may still take the command

/** Sends one command to the car `vin`, whose Fleet API is `fleetApi`; `repeatable`: doing it twice does no harm.
 * Returns the car's verdict and the requests that it took: 1, or 2 with a handshake. Throws Stop; 8 means that
 * nobody knows whether the car has done it. */
export async function sendSigned(fleetApi: string, bearer: string, vin: string,
  command: { domain: number; payload: Buffer; repeatable: boolean },
): Promise<{ result: boolean; reason: string; requests: number }> {
  const { domain, payload, repeatable } = command;
  const key = readPrivateKey();
  const name = `${vin} ${domain === VCSEC ? "vcsec" : "infotainment"}`;
  let requests = 0;

  // One request: https://developer.tesla.com/docs/fleet-api/endpoints/vehicle-endpoints#signed-command
  async function exchange(message: Message, moves: boolean): Promise<Fields> {
    requests += 1;
    const url = `${fleetApi}/api/1/vehicles/${vin}/signed_command`;
    const answer = await teslaJson({ url, bearer, json: { routable_message: message.bytes.toString("base64") }, moves });
    try {
      const text = String(answer.response ?? "");
      if (!/^[A-Za-z0-9+/]{4,}={0,2}$/.test(text)) throw new Error("there is no message of the car's in it");
      return decodeFields(Buffer.from(text, "base64"));
    } catch (error) {
      if (moves) throw lostAnswer(messageOf(error));
      throw new Stop(1, `the car's answer to the handshake cannot be read: ${messageOf(error)}; run it again`);
    }
  }

  async function shakeHands(): Promise<SessionInfo> {
    const message = handshakeMessage(domain, key);
    const answer = await exchange(message, false);
    try {
      const { fault } = openAnswer(answer, message, vin, domain, Buffer.alloc(16));
      if (fault !== 0) throw stopForFault(fault);
      return checkSessionInfo(answer, key, vin, message.uuid);
    } catch (error) {
      if (error instanceof Stop) throw error;
      throw new Stop(1, `the car's session info is not believed: ${messageOf(error)}; run it again`);
    }
  }

  // A car keeps its key for life, unless its computer is replaced. Another one must be shown twice.
  async function confirmKey(known: string | undefined, info: SessionInfo): Promise<SessionInfo> {
    if (known === undefined || known === info.vehicleKey) return info;
    say("warning: the car shows another key than before (a new computer, or somebody in between); asking again");
    const again = await shakeHands();
    if (again.vehicleKey === info.vehicleKey) return again;
    throw new Stop(5, `the car's key is not confirmed: two answers differ; if its computer was replaced, delete `
      + `${SESSION_FILE} and run it again`);
  }

  // What the car proves about itself when it refuses; without proof, the next run shakes hands anew.
  async function resync(session: Session, answer: Fields, uuid: Buffer): Promise<Session> {
    try {
      const info = checkSessionInfo(answer, key, vin, uuid);
      return renewSession(session, await confirmKey(session.vehicleKey, info), key);
    } catch (error) {
      if (error instanceof Stop) throw error;
      return { ...session, stale: true };
    }
  }

  const release = await takeLock(SESSION_FILE);
  try {
    let session = readSession(name, key);
    if (!session || session.stale) {
      session = renewSession(session, await confirmKey(session?.vehicleKey, await shakeHands()), key);
    }
    for (let attempt = 1; ; attempt += 1) {
      session = { ...session, counter: session.counter + 1 };
      await keepSession(name, session); // before sending: a killed run must not leave this counter to the next
      const clock = Math.max(Math.floor(Date.now() / 1000 - session.zero), session.clock);
      const sent = signedMessage(vin, domain, payload, key, session, Math.min(clock, 2 ** 30) + LIFETIME_SECONDS);
      const answer = await exchange(sent, true);
      let opened;
      let verdict;
      try {
        opened = openAnswer(answer, sent, vin, domain, sharedKey(key, Buffer.from(session.vehicleKey, "hex")));
        if (opened.fault === 0 && answer.has(15)) throw new Error("session info came instead of an answer");
        verdict = opened.fault === 0 ? verdictOf(opened.payload, domain) : { result: false, reason: "" };
      } catch (error) {
        throw lostAnswer(`the car's answer is not believed: ${messageOf(error)}`);
      }
      if (RESYNC_FAULTS.includes(opened.fault)) {
        const newer = await resync(session, answer, sent.uuid);
        await keepSession(name, newer);
        const worthIt = newer !== session && !newer.stale && repeatable && attempt === 1;
        if (!worthIt) throw stopForFault(opened.fault);
        say(`the car refused with fault ${opened.fault} and proved that our session was out of date: signing anew, once`);
        session = newer;
        continue;
      }
      if (opened.fault !== 0) throw stopForFault(opened.fault);
      if (opened.status === 1) throw stopForFault(1); // WAIT: busy
      if (opened.status !== 0 && opened.payload.length === 0) throw new Stop(6, "the car reports an error, no reason");
      if (verdict.result && session.encrypted && !opened.encrypted) {
        throw lostAnswer("the car says done, but not encrypted, as this car has answered before");
      }
      if (opened.encrypted && !session.encrypted) await keepSession(name, { ...session, encrypted: true });
      return { ...verdict, requests };
    }
  } finally {
    release();
  }
}
