// Verifies a signed command, with the checks of Tesla's Verifier in its order. It does not know what a
// command means.
import type { Computer } from "./computer.ts";
import { LONGEST_EPOCH_SECONDS } from "./computer.ts";
import { SIGNATURE_AES_GCM, SIGNATURE_HMAC, commandTag, decryptCommand, requestHash } from "./crypto.ts";
import { sameBytes, sharedKey, type SignedFields } from "./crypto.ts";
import { FLAG_ENCRYPT_RESPONSE, VCSEC, faultNumber, type RoutableMessage } from "./messages.ts";

const LONGEST_LIFE_WITHOUT_COUNTER = 30;

export type Verification =
  | { fault: number; withSessionInfo: boolean }
  | { fault: 0; payload: Buffer; requestHash: Buffer };

export function verify(computer: Computer, request: RoutableMessage, clientKey: Buffer): Verification {
  const hmac = request.signature_data?.HMAC_Personalized_data;
  const signature = hmac ?? request.signature_data?.AES_GCM_Personalized_data;
  if (!signature) return refused("bad_parameter", false);
  if ((request.to_destination?.domain ?? 0) !== computer.domain) return refused("invalid_domains", false);
  const { epoch, expires_at: expiresAt = 0, counter = 0, tag = Buffer.alloc(0), nonce } = signature;
  if (epoch?.length && !epoch.equals(computer.epoch)) return refused("incorrect_epoch");
  if (expiresAt !== 0 && expiresAt < computer.clock) return refused("time_expired");
  if (expiresAt > LONGEST_EPOCH_SECONDS) return refused("bad_parameter");
  if (counter === 0 || counter < computer.session(clientKey).counter) {
    const tooLong = expiresAt === 0 || expiresAt > computer.clock + LONGEST_LIFE_WITHOUT_COUNTER;
    if (tooLong) return refused("time_to_live_too_long");
  }
  const type = hmac ? SIGNATURE_HMAC : SIGNATURE_AES_GCM;
  const { domain, vin } = computer;
  const flags = request.flags ?? 0;
  const fields: SignedFields = { type, domain, vin, epoch: computer.epoch, expiresAt, counter, flags };
  const key = sharedKey(computer.keyPair, clientKey);
  const sent = request.protobuf_message_as_bytes ?? Buffer.alloc(0);
  const isRight = hmac && sameBytes(tag, commandTag(key, fields, sent));
  const payload = isRight ? sent : nonce && decryptCommand(key, fields, nonce, sent, tag);
  if (!payload) return refused("invalid_signature");
  if (!computer.useCounter(clientKey, counter)) return refused("invalid_token_or_counter");
  return { fault: 0, payload, requestHash: requestHash(type, tag, domain === VCSEC) };
}

export function asksForEncryption(request: RoutableMessage): boolean {
  return ((request.flags ?? 0) & FLAG_ENCRYPT_RESPONSE) !== 0;
}

/** Session info goes with the faults that a client can recover from by taking it. */
function refused(fault: string, withSessionInfo = true): Verification {
  return { fault: faultNumber(fault), withSessionInfo };
}
