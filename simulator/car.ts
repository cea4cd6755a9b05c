// A simulated car that verifies signed commands as Tesla's reference does and executes them.
//
// handleSignedCommand takes the bytes of a RoutableMessage and returns those of the answer: the HTTP layer
// does the base64, and decides by `awake`, `online` and `speaksProtocol` whether a message reaches the car.
// Faults, refusals and hostile answers are switched on by name for the next few messages. No timers.

import { CarBody } from "./car_body.ts";
import { actionError, mayDo, perform, readCommand } from "./car_actions.ts";
import { publicKeyBytes } from "./car_crypto.ts";
import { Subsystem, asksForEncryption, type Answer, type SessionState } from "./car_subsystem.ts";
import { TAMPERS } from "./car_tampers.ts";
import {
  INFOTAINMENT, VCSEC, decodeRoutable, encode, encodeRoutable, faultNumber, type RoutableMessage,
} from "./messages.ts";

export type Role = "owner" | "driver" | "charging_manager" | "inactive";
export interface SimulatedCarOptions { vin: string; now?: () => number }

export interface FaultOptions {
  // Session info beside the fault. Without this: with the faults that a real car gives it with.
  withSessionInfo?: boolean;
  // The command is verified first, so its counter is used up, and the fault comes encrypted.
  encrypted?: boolean;
  // Which messages it falls on; "command" unless told.
  on?: "handshake" | "command" | "any";
}
interface InjectedFault extends FaultOptions { fault: number }
export interface TamperOptions { domain?: number }

const FAULTS_WITH_SESSION_INFO = new Set([5, 6, 15, 17, 20]);
// Executed, but the answer was too large to send.
const RESPONSE_MTU_EXCEEDED = 25;

export class SimulatedCar extends CarBody {
  vcsec: Subsystem;
  infotainment: Subsystem;
  pairedKeys: Map<string, { role: Role }> = new Map();

  // Plain REST commands are refused (the HTTP layer asks this).
  protocolRequired = true;
  // False for a car of before 2021: the HTTP layer answers 422.
  speaksProtocol = true;
  // False as before firmware 2024.38.
  encryptsResponses = true;
  requiresEncryption = false;
  // Off: every message gets fault 21.
  mobileAccess = true;
  // No room for another key: an unknown key gets fault 14.
  keychainFull = false;
  // How a handshake with an unpaired key is answered: by fault 3, by session info whose status says so, or by
  // session info of the status alone.
  unpairedAnswer: "fault" | "status" | "status_only" = "fault";

  // Answers to the next accepted commands, in place of the car's own; the command is executed all the same.
  scripted: Answer[] = [];
  private faults: InjectedFault[] = [];
  private tampers: { name: string; domain: number | undefined }[] = [];
  private waits = 0;
  private lastAnswers: Map<string, RoutableMessage> = new Map();

  constructor(options: SimulatedCarOptions) {
    super(options.vin, options.now ?? Date.now);
    this.vcsec = new Subsystem(VCSEC, this.vin, () => this.now());
    this.infotainment = new Subsystem(INFOTAINMENT, this.vin, () => this.now());
  }

  get subsystems(): Subsystem[] {
    return [this.vcsec, this.infotainment];
  }

  // ---- Keys, epochs and clocks ----

  pair(publicKey: string | Buffer, role: Role = "owner"): void {
    this.pairedKeys.set(publicKeyBytes(publicKey).toString("hex"), { role });
  }

  unpair(publicKey?: string | Buffer): void {
    if (publicKey === undefined) this.pairedKeys.clear();
    else this.pairedKeys.delete(publicKeyBytes(publicKey).toString("hex"));
  }

  isPaired(publicKey: string | Buffer): boolean {
    return this.pairedKeys.has(publicKeyBytes(publicKey).toString("hex"));
  }

  reboot(): void {
    for (const subsystem of this.subsystems) subsystem.newEpoch();
  }

  moveClock(seconds: number): void {
    for (const subsystem of this.subsystems) subsystem.clock = subsystem.clock + seconds;
  }

  // A computer was replaced in service: another key pair and epoch; the paired keys stay.
  changeKey(domain?: number): void {
    const changed = this.subsystems.filter((one) => domain === undefined || one.domain === domain);
    for (const subsystem of changed) subsystem.newKey();
  }

  loadSession(domain: number, state: SessionState, clientKey: string | Buffer): void {
    const subsystem = domain === VCSEC ? this.vcsec : this.infotainment;
    subsystem.load(state, publicKeyBytes(clientKey));
  }

  // ---- What goes wrong ----

  injectFault(fault: number | string, times = 1, options: FaultOptions = {}): void {
    for (let count = 0; count < times; count++) this.faults.push({ ...options, fault: faultNumber(fault) });
  }

  // The next accepted commands are not executed and answered with operation status WAIT.
  answerWait(times = 1): void {
    this.waits += times;
  }

  tamper(name: string, times = 1, options: TamperOptions = {}): void {
    if (name === "wait_status") return this.answerWait(times);
    const known = SimulatedCar.tamperNames();
    if (!known.includes(name)) throw new Error(`no such tamper: ${name}; there are ${known.join(" ")}`);
    for (let count = 0; count < times; count++) this.tampers.push({ name, domain: options.domain });
  }

  static tamperNames(): string[] {
    return [...Object.keys(TAMPERS), "wait_status"];
  }

  // Back to an honest car that works. Its state, keys and sessions stay.
  clear(): void {
    this.faults = [];
    this.tampers = [];
    this.waits = 0;
    this.scripted = [];
    this.clearRefusals();
  }

  // ---- Messages ----

  handleSignedCommand(bytes: Uint8Array): Buffer {
    let request: RoutableMessage;
    try {
      request = decodeRoutable(bytes);
    } catch {
      return encodeRoutable(this.infotainment.buildAnswer({}, { fault: faultNumber("decoding") }));
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
      ? this.answerHandshake(subsystem, request)
      : this.answerCommand(subsystem, request, clientKey);
    return this.send(subsystem, request, answer, request.session_info_request?.public_key ?? clientKey);
  }

  // The key that the message names, or the only paired one if it names none.
  private signer(request: RoutableMessage): Buffer | undefined {
    const named = request.signature_data?.signer_identity?.public_key;
    if (named) return named;
    const [only, ...others] = this.pairedKeys.keys();
    return only !== undefined && others.length === 0 ? Buffer.from(only, "hex") : undefined;
  }

  private takeFault(kind: "handshake" | "command"): InjectedFault | undefined {
    const index = this.faults.findIndex(({ on }) => on === "any" || (on ?? "command") === kind);
    return index < 0 ? undefined : this.faults.splice(index, 1)[0];
  }

  private refuseKey(subsystem: Subsystem, request: RoutableMessage): RoutableMessage {
    const fault = faultNumber(this.keychainFull ? "keychain_is_full" : "unknown_key_id");
    return subsystem.buildAnswer(request, { fault });
  }

  private answerHandshake(subsystem: Subsystem, request: RoutableMessage): RoutableMessage {
    const clientKey = request.session_info_request?.public_key ?? Buffer.alloc(0);
    const refuse = (fault: number, withSessionInfo = false) => {
      return subsystem.buildAnswer(request, { fault, withSessionInfo }, clientKey);
    };
    const domain = request.to_destination?.domain ?? 0;
    if (domain !== subsystem.domain) return refuse(faultNumber("invalid_domains"));
    const injected = this.takeFault("handshake");
    if (injected) return refuse(injected.fault, injected.withSessionInfo && this.isPaired(clientKey));
    if (!this.mobileAccess) return refuse(faultNumber("remote_access_disabled"));
    if (!this.isPaired(clientKey)) return this.answerUnpaired(subsystem, request, clientKey);
    return subsystem.buildAnswer(request, { withSessionInfo: true }, clientKey);
  }

  private answerUnpaired(subsystem: Subsystem, request: RoutableMessage, clientKey: Buffer): RoutableMessage {
    if (this.unpairedAnswer === "fault") return this.refuseKey(subsystem, request);
    const answer = subsystem.buildAnswer(request, {});
    if (this.unpairedAnswer === "status_only") {
      return { ...answer, session_info: encode("SessionInfo", { status: 1 }) };
    }
    try {
      const info = subsystem.sessionInfo(clientKey);
      subsystem.attachSessionInfo(answer, { ...info, status: 1 }, request, clientKey);
      return answer;
    } catch {
      return subsystem.buildAnswer(request, { fault: faultNumber("bad_parameter") });
    }
  }

  private answerCommand(subsystem: Subsystem, request: RoutableMessage, clientKey: Buffer | undefined) {
    const withRequestUuid = subsystem.sendsRequestUuid;
    const injected = this.takeFault("command");
    const known = clientKey !== undefined && this.isPaired(clientKey);
    if (injected && !injected.encrypted && injected.fault !== RESPONSE_MTU_EXCEEDED) {
      const withSessionInfo = injected.withSessionInfo ?? FAULTS_WITH_SESSION_INFO.has(injected.fault);
      const answer = { fault: injected.fault, withSessionInfo: withSessionInfo && known };
      return subsystem.buildAnswer(request, answer, clientKey);
    }
    if (this.isStatusQuestion(subsystem, request)) {
      const payload = perform(this, VCSEC, { name: "get_status", params: {} }).payload;
      return subsystem.buildAnswer(request, { payload, withRequestUuid });
    }
    if (request.signature_data && !known) return this.refuseKey(subsystem, request);
    const verified = subsystem.verify(request, clientKey ?? Buffer.alloc(0));
    if (verified.fault !== 0 || !("payload" in verified)) {
      return subsystem.buildAnswer(request, verified, clientKey);
    }
    const encrypted = asksForEncryption(request) && this.encryptsResponses;
    const own = this.obey(subsystem, request, clientKey ?? Buffer.alloc(0), verified.payload, injected);
    const answer = { encrypted, withRequestUuid, ...own, ...(this.scripted.shift() ?? {}) };
    return subsystem.buildAnswer(request, answer, clientKey, verified.requestHash);
  }

  // VCSEC tells its status to anybody: clients ask for it unsigned.
  private isStatusQuestion(subsystem: Subsystem, request: RoutableMessage): boolean {
    if (subsystem.domain !== VCSEC || request.signature_data) return false;
    if (request.to_destination?.domain !== VCSEC) return false;
    const command = readCommand(VCSEC, request.protobuf_message_as_bytes ?? Buffer.alloc(0));
    return typeof command !== "number" && command.name === "get_status";
  }

  // The signature was right: may this key do that, now, and what comes of it.
  private obey(
    subsystem: Subsystem,
    request: RoutableMessage,
    clientKey: Buffer,
    payload: Buffer,
    injected: InjectedFault | undefined,
  ): Answer {
    const role = this.pairedKeys.get(clientKey.toString("hex"))?.role ?? "inactive";
    if (injected?.encrypted) return { fault: injected.fault, payload: Buffer.alloc(0) };
    if (!this.mobileAccess) return { fault: faultNumber("remote_access_disabled") };
    if (role === "inactive") return { fault: faultNumber("inactive_key") };
    if (this.requiresEncryption && !asksForEncryption(request)) {
      return { fault: faultNumber("requires_response_encryption") };
    }
    const command = readCommand(subsystem.domain, payload);
    if (typeof command === "number") return { fault: command };
    if (!mayDo(role, command)) return { fault: faultNumber("insufficient_privileges") };
    if (this.waits > 0) {
      this.waits--;
      return { operationStatus: 1, payload: Buffer.alloc(0) };
    }
    const outcome = perform(this, subsystem.domain, command);
    return injected ? { fault: injected.fault } : outcome;
  }

  // Spoils the answer if that was asked for, remembers the honest one, and encodes.
  private send(
    subsystem: Subsystem, request: RoutableMessage, answer: RoutableMessage, clientKey: Buffer | undefined,
  ): Buffer {
    const kind = `${subsystem.domain} ${request.session_info_request ? "handshake" : "command"}`;
    const previous = this.lastAnswers.get(kind);
    this.lastAnswers.set(kind, answer);
    const carries = answer.session_info ? "session_info" : "command";
    const index = this.tampers.findIndex(({ name, domain }) => {
      const on = TAMPERS[name]?.on;
      return (on === "any" || on === carries) && (domain ?? subsystem.domain) === subsystem.domain;
    });
    const tamper = index < 0 ? undefined : TAMPERS[this.tampers.splice(index, 1)[0]?.name ?? ""];
    if (!tamper) return encodeRoutable(answer);
    const spoiled = tamper.spoil(answer, { subsystem, request, clientKey, previous });
    return Buffer.isBuffer(spoiled) ? spoiled : encodeRoutable(spoiled);
  }
}

// The answer of an infotainment command that the car refused in these words, for `scripted`.
export function refusalPayload(reason: string): Buffer {
  return encode("Response", { actionStatus: actionError(reason) });
}
