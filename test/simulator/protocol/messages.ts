// Encodes and decodes the protocol buffers of the simulated car, from the definitions in messages.proto and
// car_server.proto, with protobufjs. Fields are written in ascending order of their numbers.
// It knows nothing of keys or of what a message means.

import { readFileSync } from "node:fs";
import protobuf from "protobufjs";

export const VCSEC = 2;
export const INFOTAINMENT = 3;
export const FLAG_ENCRYPT_RESPONSE = 2;

export interface Destination { domain?: number; routing_address?: Buffer }
export interface MessageStatus { operation_status?: number; signed_message_fault?: number }
export interface CommandSignature {
  epoch?: Buffer; nonce?: Buffer; counter?: number; expires_at?: number; tag?: Buffer;
}
export interface SignatureData {
  signer_identity?: { public_key?: Buffer; handle?: number };
  AES_GCM_Personalized_data?: CommandSignature;
  session_info_tag?: { tag?: Buffer };
  HMAC_Personalized_data?: CommandSignature;
  AES_GCM_Response_data?: { nonce?: Buffer; counter?: number; tag?: Buffer };
}
export interface RoutableMessage {
  to_destination?: Destination;
  from_destination?: Destination;
  protobuf_message_as_bytes?: Buffer;
  session_info_request?: { public_key?: Buffer; challenge?: Buffer };
  session_info?: Buffer;
  signedMessageStatus?: MessageStatus;
  signature_data?: SignatureData;
  request_uuid?: Buffer;
  uuid?: Buffer;
  flags?: number;
}
export interface SessionInfo {
  counter?: number; publicKey?: Buffer; epoch?: Buffer; clock_time?: number; status?: number; handle?: number;
}

const root = new protobuf.Root();
for (const file of ["messages.proto", "car_server.proto"]) {
  protobuf.parse(readFileSync(new URL(file, import.meta.url), "utf8"), root, { keepCase: true });
}
root.resolveAll();

// Throws when the bytes are not such a message. Only fields that were on the wire are in the result.
export function decode(name: string, bytes: Uint8Array): object {
  const type = root.lookupType(`Simulator.${name}`);
  return type.toObject(type.decode(bytes), { longs: String, enums: Number, bytes: Buffer, defaults: false });
}

// Zeros and empty bytes are left out as proto3 has it, but written in a oneof and where presence is explicit.
export function encode(name: string, fields: object): Buffer {
  const type = root.lookupType(`Simulator.${name}`);
  return Buffer.from(type.encode(type.fromObject(fields)).finish());
}

// Enum members as numbers, for tests that name them, and back.
export function enumValues(name: string): { [member: string]: number } {
  return root.lookupEnum(`Simulator.${name}`).values;
}

export function decodeRoutable(bytes: Uint8Array): RoutableMessage {
  return decode("RoutableMessage", bytes) as RoutableMessage;
}

export function encodeRoutable(message: RoutableMessage): Buffer {
  return encode("RoutableMessage", message);
}

// A fault by its number, its full name, or its name without the long prefix.
export function faultNumber(fault: number | string): number {
  if (typeof fault === "number") return fault;
  const faults = enumValues("MessageFault_E");
  const number = faults[fault] ?? faults[`MESSAGEFAULT_ERROR_${fault.toUpperCase()}`];
  if (number === undefined) throw new Error(`no such fault: ${fault}`);
  return number;
}

// The field numbers of an encoded message in the order of the wire, known or not.
export function fieldNumbers(bytes: Uint8Array): number[] {
  const reader = protobuf.Reader.create(bytes);
  const numbers: number[] = [];
  while (reader.pos < reader.len) {
    const key = reader.uint32();
    numbers.push(key >>> 3);
    reader.skipType(key & 7);
  }
  return numbers;
}

export function fieldName(type: string, number: number): string | undefined {
  return root.lookupType(`Simulator.${type}`).fieldsById[number]?.name;
}

// The bytes of the last length-delimited field of that number, empty when there is none.
export function memberBytes(bytes: Uint8Array, number: number): Buffer {
  const reader = protobuf.Reader.create(bytes);
  let found = Buffer.alloc(0);
  while (reader.pos < reader.len) {
    const key = reader.uint32();
    if (key === number * 8 + 2) found = Buffer.from(reader.bytes());
    else reader.skipType(key & 7);
  }
  return found;
}
