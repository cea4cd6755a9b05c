// What goes wrong on request in the next few messages of the simulated car: faults, spoiled answers, waiting.

import { faultNumber, type RoutableMessage } from "../protocol/protocol.ts";
import type { Tamper } from "./tamper_kinds.ts";
import { TAMPERS } from "./tampers.ts";

export interface FaultOptions {
  // Session info beside the fault. Without this: with the faults that a real car gives it with.
  withSessionInfo?: boolean;
  // The command is verified first, so its counter is used up, and the fault comes encrypted.
  encrypted?: boolean;
  // Which messages it falls on; "command" unless told.
  on?: "handshake" | "command" | "any";
}
export interface InjectedFault extends FaultOptions { fault: number }
export interface TamperOptions { domain?: number }

export class Mischief {
  private faults: InjectedFault[] = [];
  private tampers: { name: string; domain: number | undefined }[] = [];
  private waits = 0;
  // The last honest answers, for those that are sent again.
  private lastAnswers: Map<string, RoutableMessage> = new Map();

  injectFault(fault: number | string, times: number, options: FaultOptions): void {
    for (let count = 0; count < times; count++) this.faults.push({ ...options, fault: faultNumber(fault) });
  }

  takeFault(kind: "handshake" | "command"): InjectedFault | undefined {
    const index = this.faults.findIndex(({ on }) => on === "any" || (on ?? "command") === kind);
    return index < 0 ? undefined : this.faults.splice(index, 1)[0];
  }

  wait(times: number): void {
    this.waits += times;
  }

  takeWait(): boolean {
    if (this.waits === 0) return false;
    this.waits -= 1;
    return true;
  }

  tamper(name: string, times: number, domain: number | undefined): void {
    for (let count = 0; count < times; count++) this.tampers.push({ name, domain });
  }

  // The first tamper meant for an answer of this kind from this domain.
  takeTamper(kind: "session_info" | "command", answering: number): Tamper | undefined {
    const index = this.tampers.findIndex(({ name, domain }) => {
      const on = TAMPERS[name]?.on;
      return (on === "any" || on === kind) && (domain ?? answering) === answering;
    });
    return index < 0 ? undefined : TAMPERS[this.tampers.splice(index, 1)[0]?.name ?? ""];
  }

  // Remembers the answer to a message of this kind; returns the one before it.
  remember(kind: string, answer: RoutableMessage): RoutableMessage | undefined {
    const previous = this.lastAnswers.get(kind);
    this.lastAnswers.set(kind, answer);
    return previous;
  }

  clear(): void {
    this.faults = [];
    this.tampers = [];
    this.waits = 0;
  }
}
