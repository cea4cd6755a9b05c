// One of the two computers of the simulated car that take signed commands (VCSEC or infotainment): its key
// pair, epoch, clock and counters, the handshake, the verification of commands in the order of Tesla's
// reference, and the making of answers. It does not know what a command means.

import { randomBytes, type ECDH } from "node:crypto";
import {
  SIGNATURE_AES_GCM, SIGNATURE_HMAC, commandTag, decryptCommand, encryptResponse, newKeyPair, requestHash,
  sameBytes, sessionInfoTag, sharedKey, type SignedFields,
} from "./car_crypto.ts";
import {
  FLAG_ENCRYPT_RESPONSE, VCSEC, encode, faultNumber, type CommandSignature, type RoutableMessage,
  type SessionInfo,
} from "./messages.ts";

const WINDOW = 32;
const LAST_COUNTER = 0xffffffff;
const LONGEST_EPOCH_SECONDS = 2 ** 30;
const LONGEST_LIFE_WITHOUT_COUNTER = 30;
const WINDOW_BITS = (1n << 64n) - 1n;

// Counter and window of one client key. Bit i of the window: the counter i + 1 below the newest was used.
export interface ClientSession { counter: number; window: bigint }

export interface SessionState {
  privateScalar?: Buffer; epoch?: Buffer; clock?: number; counter?: number; window?: bigint;
}

export type Verification =
  | { fault: number; withSessionInfo: boolean }
  | { fault: 0; payload: Buffer; requestHash: Buffer };

// What an answer shall be; missing members are the car's own choice.
export interface Answer {
  fault?: number;
  operationStatus?: number;
  payload?: Buffer;
  withSessionInfo?: boolean;
  encrypted?: boolean;
  nonce?: Buffer;
  counter?: number;
  flags?: number;
  withRequestUuid?: boolean;
}

export class Subsystem {
  domain: number;
  vin: string;
  now: () => number;
  keyPair: ECDH = newKeyPair();
  epoch: Buffer = randomBytes(16);
  epochStart: number;
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

  // An epoch ends by itself when its last counter is used or its clock has run for 34 years.
  endEpochIfOver(): void {
    const spent = [...this.sessions.values()].some((session) => session.counter >= LAST_COUNTER);
    if (spent || this.clock > LONGEST_EPOCH_SECONDS || this.clock < 0) this.newEpoch();
  }

  sessionInfo(clientKey: Buffer): SessionInfo {
    return {
      counter: this.session(clientKey).counter,
      publicKey: this.publicKey,
      epoch: this.epoch,
      clock_time: this.clock,
    };
  }

  // Puts session info and its tag into an answer. The challenge is the uuid of the request.
  attachSessionInfo(
    answer: RoutableMessage, info: SessionInfo, request: RoutableMessage, clientKey: Buffer,
  ): void {
    const bytes = encode("SessionInfo", info);
    const key = sharedKey(this.keyPair, clientKey);
    const tag = sessionInfoTag(key, this.vin, request.uuid ?? Buffer.alloc(0), bytes);
    answer.session_info = bytes;
    answer.signature_data = { session_info_tag: { tag } };
  }

  verify(request: RoutableMessage, clientKey: Buffer): Verification {
    const hmac = request.signature_data?.HMAC_Personalized_data;
    const signature = hmac ?? request.signature_data?.AES_GCM_Personalized_data;
    if (!signature) return refused("bad_parameter", false);
    if ((request.to_destination?.domain ?? 0) !== this.domain) return refused("invalid_domains", false);
    const epoch = signature.epoch ?? Buffer.alloc(0);
    if (epoch.length > 0 && !epoch.equals(this.epoch)) return refused("incorrect_epoch");
    const expiresAt = signature.expires_at ?? 0;
    if (expiresAt !== 0 && expiresAt < this.clock) return refused("time_expired");
    if (expiresAt > LONGEST_EPOCH_SECONDS) return refused("bad_parameter");
    const counter = signature.counter ?? 0;
    const session = this.session(clientKey);
    if (counter === 0 || counter < session.counter) {
      const tooLong = expiresAt === 0 || expiresAt > this.clock + LONGEST_LIFE_WITHOUT_COUNTER;
      if (tooLong) return refused("time_to_live_too_long");
    }
    const type = hmac ? SIGNATURE_HMAC : SIGNATURE_AES_GCM;
    const payload = this.openPayload(request, signature, type, clientKey);
    if (!payload) return refused("invalid_signature");
    if (!this.useCounter(session, counter)) return refused("invalid_token_or_counter");
    const hash = requestHash(type, signature.tag ?? Buffer.alloc(0), this.domain === VCSEC);
    return { fault: 0, payload, requestHash: hash };
  }

  // The payload, decrypted if need be, when the tag is right.
  private openPayload(
    request: RoutableMessage, signature: CommandSignature, type: number, clientKey: Buffer,
  ): Buffer | undefined {
    const key = sharedKey(this.keyPair, clientKey);
    const payload = request.protobuf_message_as_bytes ?? Buffer.alloc(0);
    const tag = signature.tag ?? Buffer.alloc(0);
    const fields: SignedFields = {
      type,
      domain: this.domain,
      vin: this.vin,
      epoch: this.epoch,
      expiresAt: signature.expires_at ?? 0,
      counter: signature.counter ?? 0,
      flags: request.flags ?? 0,
    };
    if (type === SIGNATURE_HMAC) {
      return sameBytes(tag, commandTag(key, fields, payload)) ? payload : undefined;
    }
    const nonce = signature.nonce ?? Buffer.alloc(0);
    return nonce.length === 12 ? decryptCommand(key, fields, nonce, payload, tag) : undefined;
  }

  // Marks the counter as used; false when it was used before or is too old to know.
  private useCounter(session: ClientSession, counter: number): boolean {
    if (counter === 0) return true;
    if (counter > session.counter) {
      const steps = BigInt(counter - session.counter);
      const previous = steps <= 64n ? 1n << (steps - 1n) : 0n;
      session.window = steps < 64n ? ((session.window << steps) | previous) & WINDOW_BITS : previous;
      session.counter = counter;
      return true;
    }
    const age = session.counter - counter;
    if (this.strictCounters || age === 0 || age > WINDOW) return false;
    const bit = 1n << BigInt(age - 1);
    if ((session.window & bit) !== 0n) return false;
    session.window |= bit;
    return true;
  }

  // An answer to the request, addressed, and encrypted when it shall be.
  buildAnswer(request: RoutableMessage, answer: Answer, clientKey?: Buffer, hash?: Buffer): RoutableMessage {
    const fault = answer.fault ?? 0;
    const status = answer.operationStatus ?? (fault === 0 ? 0 : 2);
    const message: RoutableMessage = {};
    if (request.from_destination) message.to_destination = request.from_destination;
    // The address that was asked, even if it is not this computer's: that is the reference's answer too.
    if (request.to_destination) message.from_destination = request.to_destination;
    if (status !== 0 || fault !== 0) {
      message.signedMessageStatus = { operation_status: status, signed_message_fault: fault };
    }
    if ((answer.withRequestUuid ?? true) && request.uuid) message.request_uuid = request.uuid;
    if (answer.flags) message.flags = answer.flags;
    if (answer.withSessionInfo && clientKey) {
      this.attachSessionInfo(message, this.sessionInfo(clientKey), request, clientKey);
      return message;
    }
    if (!answer.payload) return message;
    message.protobuf_message_as_bytes = answer.payload;
    if (answer.encrypted && clientKey && hash) this.encrypt(message, answer, clientKey, hash);
    return message;
  }

  private encrypt(message: RoutableMessage, answer: Answer, clientKey: Buffer, hash: Buffer): void {
    const counter = answer.counter ?? ++this.responseCounter;
    const nonce = answer.nonce ?? randomBytes(12);
    const fields = {
      domain: this.domain,
      vin: this.vin,
      counter,
      flags: answer.flags ?? 0,
      requestHash: hash,
      fault: answer.fault ?? 0,
    };
    const key = sharedKey(this.keyPair, clientKey);
    const { ciphertext, tag } = encryptResponse(key, fields, nonce, answer.payload ?? Buffer.alloc(0));
    message.protobuf_message_as_bytes = ciphertext;
    message.signature_data = { AES_GCM_Response_data: { nonce, counter, tag } };
  }
}

export function asksForEncryption(request: RoutableMessage): boolean {
  return ((request.flags ?? 0) & FLAG_ENCRYPT_RESPONSE) !== 0;
}

// Session info goes with the faults that a client can mend by taking it.
function refused(fault: string, withSessionInfo = true): Verification {
  return { fault: faultNumber(fault), withSessionInfo };
}
