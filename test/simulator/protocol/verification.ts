// Verifies a signed command, with the checks of Tesla's Verifier in its order. It does not know what a
// command means.

import { useCounter } from "./counters.ts";
import {
  SIGNATURE_AES_GCM, SIGNATURE_HMAC, commandTag, decryptCommand, requestHash, sameBytes, sharedKey,
  type SignedFields,
} from "./crypto.ts";
import {
  FLAG_ENCRYPT_RESPONSE, VCSEC, faultNumber, type CommandSignature, type RoutableMessage,
} from "./messages.ts";
import { LONGEST_EPOCH_SECONDS, type Subsystem } from "./subsystem.ts";

const LONGEST_LIFE_WITHOUT_COUNTER = 30;

export type Verification =
  | { fault: number; withSessionInfo: boolean }
  | { fault: 0; payload: Buffer; requestHash: Buffer };

export function verify(subsystem: Subsystem, request: RoutableMessage, clientKey: Buffer): Verification {
  const hmac = request.signature_data?.HMAC_Personalized_data;
  const signature = hmac ?? request.signature_data?.AES_GCM_Personalized_data;
  if (!signature) return refused("bad_parameter", false);
  if ((request.to_destination?.domain ?? 0) !== subsystem.domain) return refused("invalid_domains", false);
  const epoch = signature.epoch ?? Buffer.alloc(0);
  if (epoch.length > 0 && !epoch.equals(subsystem.epoch)) return refused("incorrect_epoch");
  const expiresAt = signature.expires_at ?? 0;
  if (expiresAt !== 0 && expiresAt < subsystem.clock) return refused("time_expired");
  if (expiresAt > LONGEST_EPOCH_SECONDS) return refused("bad_parameter");
  const counter = signature.counter ?? 0;
  const session = subsystem.session(clientKey);
  if (counter === 0 || counter < session.counter) {
    const tooLong = expiresAt === 0 || expiresAt > subsystem.clock + LONGEST_LIFE_WITHOUT_COUNTER;
    if (tooLong) return refused("time_to_live_too_long");
  }
  const type = hmac ? SIGNATURE_HMAC : SIGNATURE_AES_GCM;
  const payload = openPayload(subsystem, request, signature, type, clientKey);
  if (!payload) return refused("invalid_signature");
  if (!useCounter(session, counter, subsystem.strictCounters)) return refused("invalid_token_or_counter");
  const hash = requestHash(type, signature.tag ?? Buffer.alloc(0), subsystem.domain === VCSEC);
  return { fault: 0, payload, requestHash: hash };
}

// The payload in the clear, or undefined when the tag is wrong.
function openPayload(
  subsystem: Subsystem,
  request: RoutableMessage,
  signature: CommandSignature,
  type: number,
  clientKey: Buffer,
): Buffer | undefined {
  const key = sharedKey(subsystem.keyPair, clientKey);
  const payload = request.protobuf_message_as_bytes ?? Buffer.alloc(0);
  const tag = signature.tag ?? Buffer.alloc(0);
  const fields: SignedFields = {
    type,
    domain: subsystem.domain,
    vin: subsystem.vin,
    epoch: subsystem.epoch,
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

export function asksForEncryption(request: RoutableMessage): boolean {
  return ((request.flags ?? 0) & FLAG_ENCRYPT_RESPONSE) !== 0;
}

// Session info goes with the faults that a client can recover from by taking it.
function refused(fault: string, withSessionInfo = true): Verification {
  return { fault: faultNumber(fault), withSessionInfo };
}
