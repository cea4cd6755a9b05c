// One of the car's computers as it is kept in a file. Its clock goes on while the simulator is stopped, as a
// car's does.

import type { ClientSession } from "./counters.ts";
import { newKeyPair } from "./crypto.ts";
import type { Subsystem } from "./subsystem.ts";

export interface KeptSubsystem {
  privateScalar: string; // hexadecimal
  epoch: string;
  epochStart: number; // milliseconds since 1970, as the next
  epochMade: number;
  sessions: Map<string, ClientSession>;
  responseCounter: number;
}

export function keepSubsystem(subsystem: Subsystem): KeptSubsystem {
  const { keyPair, epoch, epochStart, epochMade, sessions, responseCounter } = subsystem;
  const privateScalar = keyPair.getPrivateKey("hex").padStart(64, "0");
  return { privateScalar, epoch: epoch.toString("hex"), epochStart, epochMade, sessions, responseCounter };
}

export function restoreSubsystem(subsystem: Subsystem, kept: KeptSubsystem): void {
  const { epochStart, epochMade = epochStart, sessions, responseCounter } = kept;
  const keyPair = newKeyPair(Buffer.from(kept.privateScalar, "hex"));
  const epoch = Buffer.from(kept.epoch, "hex");
  Object.assign(subsystem, { keyPair, epoch, epochStart, epochMade, sessions, responseCounter });
}
