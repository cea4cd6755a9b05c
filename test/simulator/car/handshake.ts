// How the car answers a handshake: with session info for a key that it knows.

import {
  attachSessionInfo, buildAnswer, encode, faultNumber, type RoutableMessage, type Subsystem,
} from "../protocol/protocol.ts";
import type { SecuredCar } from "./secured_car.ts";

/** Refuses a key that the car does not know. */
export function refuseKey(car: SecuredCar, subsystem: Subsystem, request: RoutableMessage): RoutableMessage {
  const fault = faultNumber(car.keychainFull ? "keychain_is_full" : "unknown_key_id");
  return buildAnswer(subsystem, request, { fault });
}

export function answerHandshake(
  car: SecuredCar, subsystem: Subsystem, request: RoutableMessage,
): RoutableMessage {
  const clientKey = request.session_info_request?.public_key ?? Buffer.alloc(0);
  const refuse = (fault: number, withSessionInfo = false) => {
    return buildAnswer(subsystem, request, { fault, withSessionInfo }, clientKey);
  };
  const domain = request.to_destination?.domain ?? 0;
  if (domain !== subsystem.domain) return refuse(faultNumber("invalid_domains"));
  const injected = car.mischief.takeFault("handshake");
  if (injected) return refuse(injected.fault, injected.withSessionInfo && car.isPaired(clientKey));
  if (!car.mobileAccess) return refuse(faultNumber("remote_access_disabled"));
  if (!car.isPaired(clientKey)) return answerUnpaired(car, subsystem, request, clientKey);
  return buildAnswer(subsystem, request, { withSessionInfo: true }, clientKey);
}

function answerUnpaired(
  car: SecuredCar, subsystem: Subsystem, request: RoutableMessage, clientKey: Buffer,
): RoutableMessage {
  if (car.unpairedAnswer === "fault") return refuseKey(car, subsystem, request);
  const answer = buildAnswer(subsystem, request, {});
  if (car.unpairedAnswer === "status_only") {
    return { ...answer, session_info: encode("SessionInfo", { status: 1 }) };
  }
  try {
    const info = subsystem.sessionInfo(clientKey);
    attachSessionInfo(subsystem, answer, { ...info, status: 1 }, request, clientKey);
    return answer;
  } catch {
    return buildAnswer(subsystem, request, { fault: faultNumber("bad_parameter") });
  }
}
