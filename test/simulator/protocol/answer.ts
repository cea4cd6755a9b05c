// Makes the answers of one of the car's computers: addressed, with session info, encrypted if asked for.

import { randomBytes } from "node:crypto";
import { encryptResponse, sessionInfoTag, sharedKey } from "./crypto.ts";
import { encode, type RoutableMessage, type SessionInfo } from "./messages.ts";
import type { Subsystem } from "./subsystem.ts";

// What an answer should be. Members that are missing are the car's own choice.
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

// Puts session info and its tag into an answer. The challenge is the uuid of the request.
export function attachSessionInfo(
  subsystem: Subsystem,
  answer: RoutableMessage,
  info: SessionInfo,
  request: RoutableMessage,
  clientKey: Buffer,
): void {
  const bytes = encode("SessionInfo", info);
  const key = sharedKey(subsystem.keyPair, clientKey);
  const tag = sessionInfoTag(key, subsystem.vin, request.uuid ?? Buffer.alloc(0), bytes);
  answer.session_info = bytes;
  answer.signature_data = { session_info_tag: { tag } };
}

// An answer to the request, addressed, and encrypted if asked for.
export function buildAnswer(
  subsystem: Subsystem,
  request: RoutableMessage,
  answer: Answer,
  clientKey?: Buffer,
  hash?: Buffer,
): RoutableMessage {
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
    attachSessionInfo(subsystem, message, subsystem.sessionInfo(clientKey), request, clientKey);
    return message;
  }
  if (!answer.payload) return message;
  message.protobuf_message_as_bytes = answer.payload;
  if (answer.encrypted && clientKey && hash) encrypt(subsystem, message, answer, clientKey, hash);
  return message;
}

function encrypt(
  subsystem: Subsystem,
  message: RoutableMessage,
  answer: Answer,
  clientKey: Buffer,
  hash: Buffer,
): void {
  const counter = answer.counter ?? ++subsystem.responseCounter;
  const nonce = answer.nonce ?? randomBytes(12);
  const fields = {
    domain: subsystem.domain,
    vin: subsystem.vin,
    counter,
    flags: answer.flags ?? 0,
    requestHash: hash,
    fault: answer.fault ?? 0,
  };
  const key = sharedKey(subsystem.keyPair, clientKey);
  const { ciphertext, tag } = encryptResponse(key, fields, nonce, answer.payload ?? Buffer.alloc(0));
  message.protobuf_message_as_bytes = ciphertext;
  message.signature_data = { AES_GCM_Response_data: { nonce, counter, tag } };
}
