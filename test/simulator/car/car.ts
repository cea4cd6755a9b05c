// The door of this room: a simulated car that verifies signed commands as Tesla's reference does and executes
// them.
//
// handleSignedCommand takes the bytes of a RoutableMessage and returns those of the answer: the HTTP layer
// does the base64, and decides by `awake`, `online` and `speaksProtocol` whether a message reaches the car.
// Faults, refusals and hostile answers are switched on by name for the next few messages. No timers.

import {
  VCSEC, buildAnswer, decodeRoutable, encode, encodeRoutable, faultNumber, type RoutableMessage,
  type Subsystem,
} from "../protocol/protocol.ts";
import { answerHandshake } from "./handshake.ts";
import type { FaultOptions } from "./mischief.ts";
import { actionError } from "./outcome.ts";
import { SecuredCar } from "./secured_car.ts";
import { answerCommand } from "./signed_command.ts";
import { TAMPERS } from "./tampers.ts";

export { keepCar, restoreCar } from "./kept_car.ts";
export type { KeptCar } from "./kept_car.ts";
export { readCommand } from "./read_command.ts";
export { TAMPERS } from "./tampers.ts";
export type { FaultOptions } from "./mischief.ts";
export type { Role } from "./secured_car.ts";
export interface TamperOptions { domain?: number }

export class SimulatedCar extends SecuredCar {
  // ---- What goes wrong ----

  injectFault(fault: number | string, times = 1, options: FaultOptions = {}): void {
    this.mischief.injectFault(fault, times, options);
  }

  // The next accepted commands are not executed and answered with operation status WAIT.
  answerWait(times = 1): void {
    this.mischief.wait(times);
  }

  tamper(name: string, times = 1, options: TamperOptions = {}): void {
    if (name === "wait_status") return this.answerWait(times);
    const known = SimulatedCar.tamperNames();
    if (!known.includes(name)) throw new Error(`no such tamper: ${name}; there are ${known.join(" ")}`);
    this.mischief.tamper(name, times, options.domain);
  }

  static tamperNames(): string[] {
    return [...Object.keys(TAMPERS), "wait_status"];
  }

  // Back to an honest car that works. Its state, keys and sessions stay.
  clear(): void {
    this.mischief.clear();
    this.scripted = [];
    this.clearRefusals();
  }

  // ---- Messages ----

  handleSignedCommand(bytes: Uint8Array): Buffer {
    let request: RoutableMessage;
    try {
      request = decodeRoutable(bytes);
    } catch {
      return encodeRoutable(buildAnswer(this.infotainment, {}, { fault: faultNumber("decoding") }));
    }
    // Infotainment answers what is addressed to nobody: with the fault for a wrong domain.
    return this.receive(request.to_destination?.domain === VCSEC ? this.vcsec : this.infotainment, request);
  }

  // One computer takes a message, whatever address is on it.
  receive(subsystem: Subsystem, request: RoutableMessage): Buffer {
    subsystem.vin = this.vin;
    subsystem.endEpochIfOver();
    const clientKey = this.signer(request);
    const answer = request.session_info_request
      ? answerHandshake(this, subsystem, request)
      : answerCommand(this, subsystem, request, clientKey);
    return this.send(subsystem, request, answer, request.session_info_request?.public_key ?? clientKey);
  }

  // The key that the message names, or the only paired one if it names none.
  private signer(request: RoutableMessage): Buffer | undefined {
    const named = request.signature_data?.signer_identity?.public_key;
    if (named) return named;
    const [only, ...others] = this.pairedKeys.keys();
    return only !== undefined && others.length === 0 ? Buffer.from(only, "hex") : undefined;
  }

  // Spoils the answer if that was asked for, remembers the honest one, and encodes.
  private send(
    subsystem: Subsystem, request: RoutableMessage, answer: RoutableMessage, clientKey: Buffer | undefined,
  ): Buffer {
    const kind = `${subsystem.domain} ${request.session_info_request ? "handshake" : "command"}`;
    const previous = this.mischief.remember(kind, answer);
    const carries = answer.session_info ? "session_info" : "command";
    const tamper = this.mischief.takeTamper(carries, subsystem.domain);
    if (!tamper) return encodeRoutable(answer);
    const spoiled = tamper.spoil(answer, { subsystem, request, clientKey, previous });
    return Buffer.isBuffer(spoiled) ? spoiled : encodeRoutable(spoiled);
  }
}

// The answer of an infotainment command that the car refused in these words, for `scripted`.
export function refusalPayload(reason: string): Buffer {
  return encode("Response", { actionStatus: actionError(reason) });
}
