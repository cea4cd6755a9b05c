// A simulated car that verifies signed commands as Tesla's reference does and executes them: its two computers,
// the keys that it knows, and what goes wrong on request in the next few messages. Whether a message reaches
// it is decided in tesla/vehicles.ts, by `awake`, `online` and `speaksProtocol`.
import { Computer, asksForEncryption, type Answer } from "../protocol/computer.ts";
import { publicKeyBytes } from "../protocol/crypto.ts";
import { INFOTAINMENT, VCSEC, decodeRoutable, encode, encodeRoutable } from "../protocol/messages.ts";
import { faultNumber, type RoutableMessage } from "../protocol/messages.ts";
import { carryOut, securityStatus } from "./payloads.ts";
import { readCommand, type Command } from "./read_command.ts";
import { CarState } from "./state.ts";
import { TAMPERS, type Tamper } from "./tampers.ts";

export type Role = "owner" | "driver" | "inactive";

export interface FaultOptions {
  withSessionInfo?: boolean; // unless told, beside the faults that a real car gives it with
  on?: "handshake" | "command" | "any"; // which messages it falls on; "command" unless told
}
type InjectedFault = FaultOptions & { fault: number };

const UNKNOWN_KEY = 3;
const FAULTS_WITH_SESSION_INFO = [5, 6, 15, 17, 20];
const RESPONSE_MTU_EXCEEDED = 25; // executed, but the answer was too large to send

export class SimulatedCar extends CarState {
  vcsec: Computer;
  infotainment: Computer;
  pairedKeys: Map<string, { role: Role }> = new Map();

  protocolRequired = true; // plain REST commands are refused (the HTTP layer asks this)
  speaksProtocol = true; // false for a car of before 2021: the HTTP layer answers 422
  encryptsResponses = true; // false as before firmware 2024.38
  mobileAccess = true; // off: every message gets fault 21
  // How a handshake with an unpaired key is answered: by fault 3, by session info whose status says so, or by
  // session info of the status alone.
  unpairedAnswer: "fault" | "status" | "status_only" = "fault";

  // Answers to the next accepted commands, in place of the car's own; the command is executed all the same.
  scripted: Answer[] = [];
  #faults: InjectedFault[] = [];
  #tampers: string[] = [];
  #waits = 0;
  #lastAnswers: Map<string, RoutableMessage> = new Map(); // the honest ones, to be sent again

  constructor({ vin, now = Date.now }: { vin: string; now?: () => number }) {
    super(vin, now);
    this.vcsec = new Computer(VCSEC, vin, () => this.now());
    this.infotainment = new Computer(INFOTAINMENT, vin, () => this.now());
  }

  get computers(): Computer[] {
    return [this.vcsec, this.infotainment];
  }

  // ---- Keys, epochs and clocks ----

  pair(publicKey: string | Buffer, role: Role = "owner"): void {
    this.pairedKeys.set(publicKeyBytes(publicKey).toString("hex"), { role });
  }

  unpair(): void {
    this.pairedKeys.clear();
  }

  isPaired(publicKey: string | Buffer): boolean {
    return this.pairedKeys.has(publicKeyBytes(publicKey).toString("hex"));
  }

  reboot(): void {
    for (const computer of this.computers) computer.newEpoch();
  }

  /** Forward, or back within the same epoch. */
  moveClock(seconds: number): void {
    for (const computer of this.computers) computer.clock += seconds;
  }

  /** A computer was replaced in service: another key pair and epoch; the paired keys stay. */
  changeKey(): void {
    for (const computer of this.computers) computer.newKey();
  }

  // ---- What goes wrong ----

  injectFault(fault: number | string, times = 1, options: FaultOptions = {}): void {
    for (let count = 0; count < times; count++) this.#faults.push({ ...options, fault: faultNumber(fault) });
  }

  /** The next accepted commands are not executed and answered with operation status WAIT. */
  answerWait(times = 1): void {
    this.#waits += times;
  }

  tamper(name: string, times = 1): void {
    if (name === "wait_status") {
      this.answerWait(times);
      return;
    }
    const known = SimulatedCar.tamperNames();
    if (!known.includes(name)) throw new Error(`no such tamper: ${name}; there are ${known.join(" ")}`);
    for (let count = 0; count < times; count++) this.#tampers.push(name);
  }

  static tamperNames(): string[] {
    return [...Object.keys(TAMPERS), "wait_status"];
  }

  /** Back to an honest car that works. Its state, keys and sessions stay. */
  clear(): void {
    this.#faults = [];
    this.#tampers = [];
    this.#waits = 0;
    this.scripted = [];
    this.refusals = [];
  }

  private takeFault(kind: "handshake" | "command"): InjectedFault | undefined {
    const index = this.#faults.findIndex(({ on = "command" }) => on === "any" || on === kind);
    return index < 0 ? undefined : this.#faults.splice(index, 1)[0];
  }

  private takeTamper(kind: "session_info" | "command"): Tamper | undefined {
    const index = this.#tampers.findIndex((name) => ["any", kind].includes(TAMPERS[name]?.on ?? ""));
    return index < 0 ? undefined : TAMPERS[this.#tampers.splice(index, 1)[0] ?? ""];
  }

  // ---- Messages ----

  handleSignedCommand(bytes: Uint8Array): Buffer {
    let request: RoutableMessage;
    try {
      request = decodeRoutable(bytes);
    } catch {
      return encodeRoutable(this.infotainment.answer({}, { fault: faultNumber("decoding") }));
    }
    // Infotainment answers what is addressed to nobody: with the fault for a wrong domain.
    return this.receive(request.to_destination?.domain === VCSEC ? this.vcsec : this.infotainment, request);
  }

  /** One computer takes a message, whatever address is on it. */
  receive(computer: Computer, request: RoutableMessage): Buffer {
    computer.vin = this.vin;
    computer.endEpochIfOver();
    const isHandshake = request.session_info_request !== undefined;
    const signer = this.signer(request);
    const clientKey = request.session_info_request?.public_key ?? signer;
    const answer = isHandshake
      ? this.answerHandshake(computer, request)
      : this.answerCommand(computer, request, signer);
    const kind = `${computer.domain} ${isHandshake}`;
    const previous = this.#lastAnswers.get(kind);
    this.#lastAnswers.set(kind, answer);
    const tamper = this.takeTamper(answer.session_info ? "session_info" : "command");
    const spoiled = tamper?.spoil(answer, { computer, request, clientKey, previous }) ?? answer;
    return Buffer.isBuffer(spoiled) ? spoiled : encodeRoutable(spoiled);
  }

  /** The key that the message names, or the only paired one if it names none. */
  private signer(request: RoutableMessage): Buffer | undefined {
    const named = request.signature_data?.signer_identity?.public_key;
    if (named) return named;
    const [only, ...others] = this.pairedKeys.keys();
    return only !== undefined && others.length === 0 ? Buffer.from(only, "hex") : undefined;
  }

  private answerHandshake(computer: Computer, request: RoutableMessage): RoutableMessage {
    const clientKey = request.session_info_request?.public_key ?? Buffer.alloc(0);
    const refuse = (fault: number | string, withSessionInfo = false) =>
      computer.answer(request, { fault: faultNumber(fault), withSessionInfo }, clientKey);
    if ((request.to_destination?.domain ?? 0) !== computer.domain) return refuse("invalid_domains");
    const isPaired = this.isPaired(clientKey);
    const injected = this.takeFault("handshake");
    if (injected) return refuse(injected.fault, injected.withSessionInfo === true && isPaired);
    if (!this.mobileAccess) return refuse("remote_access_disabled");
    if (isPaired) return computer.answer(request, { withSessionInfo: true }, clientKey);
    if (this.unpairedAnswer === "fault") return computer.answer(request, { fault: UNKNOWN_KEY });
    const answer = computer.answer(request, {});
    if (this.unpairedAnswer === "status_only") {
      return { ...answer, session_info: encode("SessionInfo", { status: 1 }) };
    }
    computer.attachSessionInfo(answer, { ...computer.sessionInfo(clientKey), status: 1 }, request, clientKey);
    return answer;
  }

  private answerCommand(computer: Computer, request: RoutableMessage, clientKey?: Buffer): RoutableMessage {
    const withRequestUuid = computer.sendsRequestUuid;
    const injected = this.takeFault("command");
    const known = clientKey !== undefined && this.isPaired(clientKey);
    if (injected && injected.fault !== RESPONSE_MTU_EXCEEDED) {
      const { fault, withSessionInfo = FAULTS_WITH_SESSION_INFO.includes(fault) } = injected;
      return computer.answer(request, { fault, withSessionInfo: withSessionInfo && known }, clientKey);
    }
    const question = this.openQuestion(computer, request);
    if (question !== undefined) {
      return computer.answer(request, { payload: carryOut(this, VCSEC, question), withRequestUuid });
    }
    // Tesla's Verifier holds one session. To a signer whose key is not that session's it answers 5 (wrong
    // signature). A real car finds the session by the signer's key and is said to answer 3 to one that it does
    // not know. So does this one. A signer that it knows, but who did not sign, gets 5 here too.
    if (request.signature_data && !known) return computer.answer(request, { fault: UNKNOWN_KEY });
    const verified = computer.verify(request, clientKey ?? Buffer.alloc(0));
    if (!("payload" in verified)) return computer.answer(request, verified, clientKey);
    const encrypted = asksForEncryption(request) && this.encryptsResponses;
    const own = this.obey(computer, clientKey ?? Buffer.alloc(0), verified.payload, injected);
    const answer = { encrypted, withRequestUuid, ...own, ...this.scripted.shift() };
    return computer.answer(request, answer, clientKey, verified.requestHash);
  }

  /** VCSEC tells its status and its list of keys to anybody: clients ask for them unsigned. */
  private openQuestion(computer: Computer, request: RoutableMessage): Command | undefined {
    if (computer.domain !== VCSEC || request.signature_data) return undefined;
    if (request.to_destination?.domain !== VCSEC) return undefined;
    const command = readCommand(VCSEC, request.protobuf_message_as_bytes ?? Buffer.alloc(0));
    return typeof command !== "number" && command.name.startsWith("get_") ? command : undefined;
  }

  /** The signature was right: may this key do that, now, and what comes of it. */
  private obey(computer: Computer, clientKey: Buffer, payload: Buffer, injected?: InjectedFault): Answer {
    const role = this.pairedKeys.get(clientKey.toString("hex"))?.role ?? "inactive";
    if (!this.mobileAccess) return { fault: faultNumber("remote_access_disabled") };
    if (role === "inactive") return { fault: faultNumber("inactive_key") };
    // Nothing is asked for and nothing is done. Tesla's Verifier accepts such a message; its counter is used.
    if (payload.length === 0) return injected ? { fault: injected.fault } : { payload };
    const command = readCommand(computer.domain, payload);
    if (typeof command === "number") return { fault: command };
    if (this.#waits > 0) {
      this.#waits -= 1;
      return { operationStatus: 1, payload: Buffer.alloc(0) };
    }
    const status = computer.domain === VCSEC ? this.securityStatusByName() : undefined;
    if (status !== undefined) return { payload: securityStatus(status, computer.session(clientKey).counter) };
    const outcome = carryOut(this, computer.domain, command);
    return injected ? { fault: injected.fault } : { payload: outcome };
  }

  // ---- Kept in a file while the simulator is stopped, without what was switched on to go wrong ----

  keep() {
    const { now, refusalByName, securityStatusByName, refusals, executed, ...others } = this;
    const { scripted, vcsec, infotainment, ...state } = others;
    return { state, vcsec: vcsec.keep(), infotainment: infotainment.keep() };
  }

  restore(kept: ReturnType<SimulatedCar["keep"]>): void {
    Object.assign(this, kept.state);
    this.vcsec.restore(kept.vcsec);
    this.infotainment.restore(kept.infotainment);
  }
}
