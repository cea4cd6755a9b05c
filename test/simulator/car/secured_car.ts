// The simulated car with its two computers and the keys that it knows, and its settings that decide how it
// answers signed commands.

import { INFOTAINMENT, Subsystem, VCSEC, publicKeyBytes } from "../protocol/protocol.ts";
import type { Answer, SessionState } from "../protocol/protocol.ts";
import { CarBody } from "./body.ts";
import { Mischief } from "./mischief.ts";

export type Role = "owner" | "driver" | "charging_manager" | "inactive";
export interface SimulatedCarOptions { vin: string; now?: () => number }

export class SecuredCar extends CarBody {
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
  mischief: Mischief = new Mischief();

  constructor(options: SimulatedCarOptions) {
    super(options.vin, options.now ?? Date.now);
    this.vcsec = new Subsystem(VCSEC, this.vin, () => this.now());
    this.infotainment = new Subsystem(INFOTAINMENT, this.vin, () => this.now());
  }

  get subsystems(): Subsystem[] {
    return [this.vcsec, this.infotainment];
  }

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
}
