// One of the two computers of the simulated car that take signed commands (VCSEC or infotainment): its key
// pair, epoch and clock, the counters that each client key has used, its verdict on the signature of a command,
// and the form of its answers. It does not know what a command means.
import { randomBytes, type ECDH } from "node:crypto";
import { SIGNATURE_AES_GCM, SIGNATURE_HMAC, commandTag, decryptCommand, encryptResponse } from "./crypto.ts";
import { newKeyPair, requestHash, sameBytes, sessionInfoTag, sharedKey } from "./crypto.ts";
import { FLAG_ENCRYPT_RESPONSE, VCSEC, encode, faultNumber } from "./messages.ts";
import type { RoutableMessage, SessionInfo } from "./messages.ts";

const LAST_COUNTER = 0xffffffff;
const LONGEST_EPOCH_SECONDS = 2 ** 30;
const LONGEST_LIFE_WITHOUT_COUNTER = 30;
const ONE_YEAR = 365 * 24 * 3600 * 1000;
const WINDOW = 32;
const WINDOW_BITS = (1n << 64n) - 1n;

/** Of one client key. Bit i of the window: the counter i + 1 below the newest was used. */
export type ClientSession = { counter: number; window: bigint };

type State = ClientSession & Record<"privateScalar" | "epoch", Buffer> & { clock: number };

/** What an answer should be. Members that are missing are the car's own choice. */
export type Answer = Partial<
  Record<"fault" | "operationStatus" | "counter" | "flags", number> &
    Record<"payload" | "nonce", Buffer> &
    Record<"withSessionInfo" | "encrypted" | "withRequestUuid", boolean>
>;

export type Verification =
  | { fault: number; withSessionInfo: boolean }
  | { fault: 0; payload: Buffer; requestHash: Buffer };

export function asksForEncryption(request: RoutableMessage): boolean {
  return ((request.flags ?? 0) & FLAG_ENCRYPT_RESPONSE) !== 0;
}

/** Session info goes with the faults that a client can recover from by taking it. */
function refused(fault: string, withSessionInfo = true): Verification {
  return { fault: faultNumber(fault), withSessionInfo };
}

export class Computer {
  domain: number;
  vin: string;
  now: () => number;
  keyPair: ECDH = newKeyPair();
  epoch: Buffer = randomBytes(16);
  epochStart: number; // when the clock was at zero
  epochMade: number;
  sessions: Map<string, ClientSession> = new Map();
  strictCounters: boolean; // VCSEC takes no counter below the newest, infotainment remembers the last 32
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

  /** Seconds since the epoch began. */
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

  newKey(): void {
    this.keyPair = newKeyPair();
    this.newEpoch();
  }

  /** Puts a known state in, to replay a recorded exchange. */
  load({ privateScalar, clock, epoch, ...session }: State, clientKey: Buffer): void {
    this.keyPair = newKeyPair(privateScalar);
    this.epoch = epoch;
    this.clock = clock;
    Object.assign(this.session(clientKey), session);
  }

  /** An epoch ends by itself: its last counter is used, its clock has run for 34 years, or a year has passed. */
  endEpochIfOver(): void {
    const spent = [...this.sessions.values()].some((session) => session.counter >= LAST_COUNTER);
    const old = this.clock > LONGEST_EPOCH_SECONDS || this.now() - this.epochMade > ONE_YEAR;
    if (spent || old || this.clock < 0) this.newEpoch();
  }

  /** Marks a counter as used. False when it was used before, or is too old to know. */
  useCounter(clientKey: Buffer, counter: number): boolean {
    const session = this.session(clientKey);
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

  /** Judges a signed command, with the checks of Tesla's Verifier in its order. */
  verify(request: RoutableMessage, clientKey: Buffer): Verification {
    const hmac = request.signature_data?.HMAC_Personalized_data;
    const signature = hmac ?? request.signature_data?.AES_GCM_Personalized_data;
    if (!signature) return refused("bad_parameter", false);
    if ((request.to_destination?.domain ?? 0) !== this.domain) return refused("invalid_domains", false);
    const { epoch, expires_at: expiresAt = 0, counter = 0, tag = Buffer.alloc(0), nonce } = signature;
    if (epoch?.length && !epoch.equals(this.epoch)) return refused("incorrect_epoch");
    if (expiresAt !== 0 && expiresAt < this.clock) return refused("time_expired");
    if (expiresAt > LONGEST_EPOCH_SECONDS) return refused("bad_parameter");
    if (counter === 0 || counter < this.session(clientKey).counter) {
      const tooLong = expiresAt === 0 || expiresAt > this.clock + LONGEST_LIFE_WITHOUT_COUNTER;
      if (tooLong) return refused("time_to_live_too_long");
    }
    const type = hmac ? SIGNATURE_HMAC : SIGNATURE_AES_GCM;
    const { domain, vin } = this;
    const flags = request.flags ?? 0;
    const fields = { type, domain, vin, epoch: this.epoch, expiresAt, counter, flags };
    const key = sharedKey(this.keyPair, clientKey);
    const sent = request.protobuf_message_as_bytes ?? Buffer.alloc(0);
    const isRight = hmac && sameBytes(tag, commandTag(key, fields, sent));
    const payload = isRight ? sent : nonce && decryptCommand(key, fields, nonce, sent, tag);
    if (!payload) return refused("invalid_signature");
    if (!this.useCounter(clientKey, counter)) return refused("invalid_token_or_counter");
    return { fault: 0, payload, requestHash: requestHash(type, tag, domain === VCSEC) };
  }

  sessionInfo(clientKey: Buffer): SessionInfo {
    const { counter } = this.session(clientKey);
    return { counter, publicKey: this.publicKey, epoch: this.epoch, clock_time: this.clock };
  }

  /** Puts session info and its tag into an answer. The challenge is the uuid of the request. */
  attachSessionInfo(to: RoutableMessage, info: SessionInfo, { uuid }: RoutableMessage, clientKey: Buffer) {
    const bytes = encode("SessionInfo", info);
    const key = sharedKey(this.keyPair, clientKey);
    const tag = sessionInfoTag(key, this.vin, uuid ?? Buffer.alloc(0), bytes);
    to.session_info = bytes;
    to.signature_data = { session_info_tag: { tag } };
  }

  /** An answer to the request: addressed, with session info or a payload, encrypted if asked for. */
  answer(request: RoutableMessage, answer: Answer, clientKey?: Buffer, hash?: Buffer): RoutableMessage {
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
    const { domain, vin } = this;
    const { counter = ++this.responseCounter, nonce = randomBytes(12), flags = 0, fault = 0 } = answer;
    const fields = { domain, vin, counter, flags, requestHash: hash, fault };
    const key = sharedKey(this.keyPair, clientKey);
    const { ciphertext, tag } = encryptResponse(key, fields, nonce, answer.payload ?? Buffer.alloc(0));
    message.protobuf_message_as_bytes = ciphertext;
    message.signature_data = { AES_GCM_Response_data: { nonce, counter, tag } };
  }

  /** As it is kept in a file: its clock goes on while the simulator is stopped, as a car's does. */
  keep() {
    const { keyPair, epoch, epochStart, epochMade, sessions, responseCounter } = this;
    const privateScalar = keyPair.getPrivateKey("hex").padStart(64, "0");
    return { privateScalar, epoch: epoch.toString("hex"), epochStart, epochMade, sessions, responseCounter };
  }

  restore({ privateScalar, epoch, ...others }: ReturnType<Computer["keep"]>): void {
    Object.assign(this, { ...others, epoch: Buffer.from(epoch, "hex") });
    this.keyPair = newKeyPair(Buffer.from(privateScalar, "hex"));
  }
}
