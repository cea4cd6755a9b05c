// Signed commands (docs/protocol.md, sections 5 to 7, 11), from the stored session to the car's own verdict.
//
// In order: take the stored session, or shake hands for one; write the next counter to the disk; sign; send;
// open the answer. When the car proves that our session is out of date, the command is signed once more, if
// doing it twice does no harm. Nothing else is ever sent a second time.
import { messageOf, say, Stop } from "./command_line.ts";
import { RESYNC_FAULTS, stopForFault } from "./faults.ts";
import { readPrivateKey } from "./key_files.ts";
import { takeLock } from "./safe_file.ts";
import * as sessions from "./session.ts";
import { handshakeMessage, openAnswer, signedMessage, VCSEC, verdictOf } from "./signed_message.ts";
import { lostAnswer, teslaJson } from "./tesla_fetch.ts";
import { sharedKey } from "./vehicle_key.ts";
import { decodeFields, type Fields } from "./wire.ts";

const LIFETIME_SECONDS = 15; // how long after signing the car may still take the command

/** Sends one command to the car's signed_command address and returns the car's verdict, and the requests
 * it took: 1, 2 with a handshake, 3 after a resync. `repeatable`: doing it twice does no harm. `doubtful`:
 * the verdict came unencrypted, though the car has encrypted before. Throws Stop; 8: unknown outcome. */
export async function sendSigned(url: string, bearer: string, vin: string,
  command: { domain: number; payload: Buffer; repeatable: boolean },
): Promise<{ result: boolean; reason: string; requests: number; doubtful: boolean }> {
  const { domain, payload, repeatable } = command;
  const key = readPrivateKey();
  const name = `${vin} ${domain === VCSEC ? "vcsec" : "infotainment"}`;
  let requests = 0;

  // https://developer.tesla.com/docs/fleet-api/endpoints/vehicle-endpoints#signed-command
  async function exchange(message: Buffer, moves: boolean): Promise<Fields> {
    requests += 1;
    const json = { routable_message: message.toString("base64") };
    const { response } = await teslaJson({ url, bearer, json, moves });
    try {
      const bytes = Buffer.from(String(response), "base64");
      if (!response || bytes.toString("base64") !== response) throw new Error("there is no message in it");
      return decodeFields(bytes);
    } catch (error) {
      if (moves) throw lostAnswer(`the car's answer cannot be read: ${messageOf(error)}`);
      throw new Stop(1, `the car's answer cannot be read: ${messageOf(error)}; try again later`);
    }
  }

  async function shakeHands(): Promise<sessions.SessionInfo> {
    say("shaking hands: there is no session with this part of the car, or none that can be used");
    const message = handshakeMessage(domain, key);
    const answer = await exchange(message.bytes, false);
    try {
      const { fault, status } = openAnswer(answer, message, vin, domain); // never encrypted
      if (fault !== 0) throw stopForFault(fault);
      if (status === 1 && !answer.has(15)) throw stopForFault(1, "WAIT");
      return sessions.checkSessionInfo(answer, key, vin, message.uuid);
    } catch (error) {
      if (error instanceof Stop) throw error;
      throw new Stop(1, `the car's session info is not believed: ${messageOf(error)}; try again later`);
    }
  }

  // A car keeps its key until its computer is replaced: another one is told, and must be shown twice.
  async function renew(info: sessions.SessionInfo, old?: sessions.Session): Promise<sessions.Session> {
    if (!old || old.vehicleKey === info.vehicleKey) return sessions.renewSession(old, info, key);
    say("warning: the car shows another key than before (a new computer, or a go-between); asking again");
    const again = await shakeHands();
    if (again.vehicleKey === info.vehicleKey) return sessions.renewSession(old, again, key);
    throw new Stop(5, "the car's changed key is not confirmed: two answers differ; if the car has a new "
      + `computer, delete ${sessions.SESSION_FILE} and run it again`);
  }

  // After the car's answer a full disk must not hide the verdict: the next run shakes hands, or asks again.
  async function remember(session: sessions.Session): Promise<void> {
    const stored = sessions.keepSession(name, async () => session);
    await stored.catch((error) => say(`warning: ${messageOf(error).replace("nothing was sent, ", "")}`));
  }

  const release = await takeLock(sessions.SESSION_FILE);
  try {
    let kept = sessions.readSession(name, key);
    for (let attempt = 1; ; attempt += 1) {
      // On the disk before it is sent: no other run may use this counter again.
      const session = await sessions.keepSession(name, async () => {
        const next = kept && !kept.stale ? kept : { ...await renew(await shakeHands(), kept), stale: false };
        if (next.counter > 2 ** 32 - 2) throw new Stop(6, "the car's counter is at its end until it reboots");
        return { ...next, counter: next.counter + 1 };
      });
      const clock = Math.max(Math.floor(Date.now() / 1000 - session.zero), session.clock);
      const expiresAt = Math.min(clock, 2 ** 30) + LIFETIME_SECONDS;
      const sent = signedMessage(vin, domain, payload, key, session, expiresAt);
      const answer = await exchange(sent.bytes, true);
      let opened;
      let verdict = { result: false, reason: "" };
      try {
        const k = sharedKey(key, Buffer.from(session.vehicleKey, "hex"));
        opened = openAnswer(answer, sent, vin, domain, k);
        if (opened.fault === 0 && answer.has(15)) {
          sessions.checkSessionInfo(answer, key, vin, sent.uuid); // the key may be off the car by now
          throw new Error("it is a handshake's, and no verdict");
        }
        if (opened.fault === 0) verdict = verdictOf(opened.payload, domain);
      } catch (error) {
        if (error instanceof Stop) throw error;
        throw lostAnswer(`the car's answer is not believed: ${messageOf(error)}`);
      }
      if (RESYNC_FAULTS.includes(opened.fault)) {
        try { // the session as the car proves it when it refuses
          kept = await renew(sessions.checkSessionInfo(answer, key, vin, sent.uuid), session);
        } catch (error) {
          if (error instanceof Stop) throw error;
          kept = { ...session, stale: true }; // without proof, the next run shakes hands anew
        }
        await remember(kept);
        const helps = kept !== session && !kept.stale;
        if (!helps || !repeatable || attempt > 1) throw stopForFault(opened.fault);
        say(`the car proves that our session is out of date (fault ${opened.fault}): signing anew, once`);
        continue;
      }
      if (opened.fault !== 0) throw stopForFault(opened.fault);
      if (opened.status === 1) throw stopForFault(1, "WAIT");
      if (opened.status !== 0 && opened.payload.length === 0) throw stopForFault(11);
      if (opened.encrypted && !session.encrypted) await remember({ ...session, encrypted: true });
      return { ...verdict, requests, doubtful: session.encrypted && !opened.encrypted };
    }
  } finally {
    release();
  }
}
