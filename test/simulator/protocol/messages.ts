// Encodes and decodes the messages of messages.proto with protobufjs, fields in ascending order of their
// numbers. It knows nothing of keys or of what a message means.
import { readFileSync } from "node:fs";
import protobuf from "protobufjs";

export const VCSEC = 2;
export const INFOTAINMENT = 3;
export const FLAG_ENCRYPT_RESPONSE = 2;

export type CommandSignature = Partial<
  Record<"epoch" | "nonce" | "tag", Buffer> & Record<"counter" | "expires_at", number>
>;
export interface RoutableMessage {
  to_destination?: { domain?: number; routing_address?: Buffer };
  from_destination?: { domain?: number; routing_address?: Buffer };
  protobuf_message_as_bytes?: Buffer;
  session_info_request?: { public_key?: Buffer; challenge?: Buffer };
  session_info?: Buffer;
  signedMessageStatus?: { operation_status?: number; signed_message_fault?: number };
  signature_data?: {
    signer_identity?: { public_key?: Buffer; handle?: number };
    AES_GCM_Personalized_data?: CommandSignature;
    session_info_tag?: { tag?: Buffer };
    HMAC_Personalized_data?: CommandSignature;
    AES_GCM_Response_data?: { nonce?: Buffer; counter?: number; tag?: Buffer };
  };
  request_uuid?: Buffer;
  uuid?: Buffer;
  flags?: number;
}
export type SessionInfo = Partial<
  Record<"counter" | "clock_time" | "status" | "handle", number> & Record<"publicKey" | "epoch", Buffer>
>;

const definitions = readFileSync(new URL("messages.proto", import.meta.url), "utf8");
const { root } = protobuf.parse(definitions, { keepCase: true });
root.resolveAll();

/** Throws when the bytes are not such a message. Only fields that were on the wire are in the result. */
export function decode(name: string, bytes: Uint8Array): object {
  const type = root.lookupType(`Simulator.${name}`);
  return type.toObject(type.decode(bytes), { longs: String, enums: Number, bytes: Buffer, defaults: false });
}

/** Zeros and empty bytes are left out as proto3 has it, but written in a oneof and where presence is explicit. */
export function encode(name: string, fields: object): Buffer {
  const type = root.lookupType(`Simulator.${name}`);
  return Buffer.from(type.encode(type.fromObject(fields)).finish());
}

export function enumValues(name: string): { [member: string]: number } {
  return root.lookupEnum(`Simulator.${name}`).values;
}

export function decodeRoutable(bytes: Uint8Array): RoutableMessage {
  return decode("RoutableMessage", bytes);
}

export function encodeRoutable(message: RoutableMessage): Buffer {
  return encode("RoutableMessage", message);
}

/** A fault by its number, its full name, or its name without the long prefix. */
export function faultNumber(fault: number | string): number {
  if (typeof fault === "number") return fault;
  const faults = enumValues("MessageFault_E");
  const number = faults[fault] ?? faults[`MESSAGEFAULT_ERROR_${fault.toUpperCase()}`];
  if (number === undefined) throw new Error(`no such fault: ${fault}`);
  return number;
}

/** The name of a field, undefined for a number that messages.proto does not have. */
export function fieldName(type: string, number: number): string | undefined {
  return root.lookupType(`Simulator.${type}`).fieldsById[number]?.name;
}

/** Each field of any message by its number, in the order of the wire; of a repeated one, the last. */
export function rawFields(bytes: Uint8Array): Map<number, number | Buffer> {
  const reader = protobuf.Reader.create(bytes);
  const found = new Map<number, number | Buffer>();
  while (reader.pos < reader.len) {
    const key = reader.uint32();
    const [number, layout] = [key >>> 3, key & 7];
    found.delete(number);
    if (layout === 0) found.set(number, Number(reader.int64()));
    else if (layout === 1) found.set(number, reader.double());
    else if (layout === 2) found.set(number, Buffer.from(reader.bytes()));
    else if (layout === 5) found.set(number, reader.float());
    else throw new Error(`layout ${layout}`);
  }
  return found;
}
