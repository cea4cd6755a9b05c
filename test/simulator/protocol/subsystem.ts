// One of the two computers of the simulated car that take signed commands (VCSEC or infotainment): its key
// pair, epoch, clock, and the counters that each client key has used. What it makes of a command stands in
// verification.ts, what it answers in answer.ts.

import { randomBytes, type ECDH } from "node:crypto";
import type { ClientSession } from "./counters.ts";
import { newKeyPair } from "./crypto.ts";
import { VCSEC, type SessionInfo } from "./messages.ts";

const LAST_COUNTER = 0xffffffff;
const ONE_YEAR = 365 * 24 * 3600 * 1000;
export const LONGEST_EPOCH_SECONDS = 2 ** 30;

export interface SessionState {
  privateScalar?: Buffer; epoch?: Buffer; clock?: number; counter?: number; window?: bigint;
}

export class Subsystem {
  domain: number;
  vin: string;
  now: () => number;
  keyPair: ECDH = newKeyPair();
  epoch: Buffer = randomBytes(16);
  epochStart: number; // when the clock was at zero
  epochMade: number; // when the epoch was made
  sessions: Map<string, ClientSession> = new Map();
  // VCSEC takes no counter below the newest, infotainment remembers the last 32.
  strictCounters: boolean;
  sendsRequestUuid: boolean;
  responseCounter = 0;

  constructor(domain: number, vin: string, now: () => number) {
    this.domain = domain;
    this.vin = vin;
    this.now = now;
    this.epochStart = now();
    this.epochMade = now();
    this.strictCounters = domain === VCSEC;
    this.sendsRequestUuid = domain !== VCSEC;
  }

  get publicKey(): Buffer {
    return this.keyPair.getPublicKey();
  }

  // Seconds since the epoch began.
  get clock(): number {
    return Math.floor((this.now() - this.epochStart) / 1000);
  }

  set clock(seconds: number) {
    this.epochStart = this.now() - seconds * 1000;
  }

  session(clientKey: Buffer): ClientSession {
    const id = clientKey.toString("hex");
    const session = this.sessions.get(id) ?? { counter: 0, window: 0n };
    this.sessions.set(id, session);
    return session;
  }

  newEpoch(): void {
    this.epoch = randomBytes(16);
    this.epochStart = this.now();
    this.epochMade = this.epochStart;
    this.sessions.clear();
    this.responseCounter = 0;
  }

  newKey(privateScalar?: Buffer): void {
    this.keyPair = newKeyPair(privateScalar);
    this.newEpoch();
  }

  // Puts a known state in, to replay a recorded exchange.
  load(state: SessionState, clientKey: Buffer): void {
    if (state.privateScalar) this.keyPair = newKeyPair(state.privateScalar);
    if (state.epoch) this.epoch = state.epoch;
    if (state.clock !== undefined) this.clock = state.clock;
    const session = this.session(clientKey);
    if (state.counter !== undefined) session.counter = state.counter;
    if (state.window !== undefined) session.window = state.window;
  }

  // An epoch ends by itself when its last counter is used, its clock has run for 34 years, or a year has passed.
  endEpochIfOver(): void {
    const spent = [...this.sessions.values()].some((session) => session.counter >= LAST_COUNTER);
    if (spent || this.now() - this.epochMade > ONE_YEAR || this.clock > LONGEST_EPOCH_SECONDS || this.clock < 0) this.newEpoch();
  }

  sessionInfo(clientKey: Buffer): SessionInfo {
    return {
      counter: this.session(clientKey).counter,
      publicKey: this.publicKey,
      epoch: this.epoch,
      clock_time: this.clock,
    };
  }
}
