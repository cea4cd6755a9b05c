// How the car answers a signed command: it verifies it, asks whether the key may do that, carries it out.

import {
  VCSEC, asksForEncryption, buildAnswer, faultNumber, verify, type Answer, type RoutableMessage,
  type Subsystem,
} from "../protocol/protocol.ts";
import { refuseKey } from "./handshake.ts";
import type { InjectedFault } from "./mischief.ts";
import { perform, securityStatus } from "./outcome.ts";
import { mayDo, readCommand, type Command } from "./read_command.ts";
import type { SecuredCar } from "./secured_car.ts";

const FAULTS_WITH_SESSION_INFO = new Set([5, 6, 15, 17, 20]);
// Executed, but the answer was too large to send.
const RESPONSE_MTU_EXCEEDED = 25;

export function answerCommand(
  car: SecuredCar,
  subsystem: Subsystem,
  request: RoutableMessage,
  clientKey: Buffer | undefined,
): RoutableMessage {
  const withRequestUuid = subsystem.sendsRequestUuid;
  const injected = car.mischief.takeFault("command");
  const known = clientKey !== undefined && car.isPaired(clientKey);
  if (injected && !injected.encrypted && injected.fault !== RESPONSE_MTU_EXCEEDED) {
    const withSessionInfo = injected.withSessionInfo ?? FAULTS_WITH_SESSION_INFO.has(injected.fault);
    const answer = { fault: injected.fault, withSessionInfo: withSessionInfo && known };
    return buildAnswer(subsystem, request, answer, clientKey);
  }
  const question = openQuestion(subsystem, request);
  if (question !== undefined) {
    return buildAnswer(subsystem, request, { ...perform(car, VCSEC, question), withRequestUuid });
  }
  // Tesla's Verifier holds one session. To a signer whose key is not that session's it answers 5 (wrong
  // signature). A real car finds the session by the signer's key and is said to answer 3 to one that it does
  // not know. So does this one. A signer that it knows, but who did not sign, gets 5 here too.
  if (request.signature_data && !known) return refuseKey(car, subsystem, request);
  const verified = verify(subsystem, request, clientKey ?? Buffer.alloc(0));
  if (verified.fault !== 0 || !("payload" in verified)) {
    return buildAnswer(subsystem, request, verified, clientKey);
  }
  const encrypted = asksForEncryption(request) && car.encryptsResponses;
  const own = obey(car, subsystem, request, clientKey ?? Buffer.alloc(0), verified.payload, injected);
  const answer = { encrypted, withRequestUuid, ...own, ...(car.scripted.shift() ?? {}) };
  return buildAnswer(subsystem, request, answer, clientKey, verified.requestHash);
}

// VCSEC tells its status and its list of keys to anybody: clients ask for them unsigned.
function openQuestion(subsystem: Subsystem, request: RoutableMessage): Command | undefined {
  if (subsystem.domain !== VCSEC || request.signature_data) return undefined;
  if (request.to_destination?.domain !== VCSEC) return undefined;
  const command = readCommand(VCSEC, request.protobuf_message_as_bytes ?? Buffer.alloc(0));
  return typeof command !== "number" && command.name.startsWith("get_") ? command : undefined;
}

// The signature was right: may this key do that, now, and what comes of it.
function obey(
  car: SecuredCar,
  subsystem: Subsystem,
  request: RoutableMessage,
  clientKey: Buffer,
  payload: Buffer,
  injected: InjectedFault | undefined,
): Answer {
  const role = car.pairedKeys.get(clientKey.toString("hex"))?.role ?? "inactive";
  if (injected?.encrypted) return { fault: injected.fault, payload: Buffer.alloc(0) };
  if (!car.mobileAccess) return { fault: faultNumber("remote_access_disabled") };
  if (role === "inactive") return { fault: faultNumber("inactive_key") };
  if (car.requiresEncryption && !asksForEncryption(request)) {
    return { fault: faultNumber("requires_response_encryption") };
  }
  // Nothing is asked for and nothing is done. Tesla's Verifier accepts such a message; its counter is used.
  if (payload.length === 0) return injected ? { fault: injected.fault } : { payload };
  const command = readCommand(subsystem.domain, payload);
  if (typeof command === "number") return { fault: command };
  if (!mayDo(role, command)) return { fault: faultNumber("insufficient_privileges") };
  if (car.mischief.takeWait()) return { operationStatus: 1, payload: Buffer.alloc(0) };
  if (subsystem.domain === VCSEC) {
    const status = car.securityStatusByName();
    if (status !== undefined) return { payload: securityStatus(status, subsystem.session(clientKey).counter) };
  }
  const outcome = perform(car, subsystem.domain, command);
  return injected ? { fault: injected.fault } : outcome;
}
