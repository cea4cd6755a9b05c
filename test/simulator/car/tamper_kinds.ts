// What a tamper is: a function that takes the car's honest answer and spoils one thing in it.

import type { RoutableMessage, Subsystem } from "../protocol/protocol.ts";

export interface TamperContext {
  subsystem: Subsystem;
  request: RoutableMessage;
  clientKey: Buffer | undefined;
  // The last honest answer before this one, to a handshake or to a command.
  previous: RoutableMessage | undefined;
}

export type Spoiler = (answer: RoutableMessage, context: TamperContext) => RoutableMessage | Buffer;

// "session_info": only answers that carry session info (handshakes, and faults that bring it);
// "command": only answers without; "any": whatever comes next.
export interface Tamper { on: "session_info" | "command" | "any"; spoil: Spoiler }

export function flipped(bytes: Buffer | undefined): Buffer {
  const copy = Buffer.from(bytes?.length ? bytes : [0]);
  const last = copy.length - 1;
  copy[last] = (copy[last] ?? 0) ^ 1;
  return copy;
}
