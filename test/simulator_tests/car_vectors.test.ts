// The simulated car against the vectors of Tesla's reference: each accepted command, each refused one, each
// payload, each published figure. The numbers of what was checked are asserted, so that nothing is skipped.

import assert from "node:assert/strict";
import { createCipheriv, createDecipheriv, createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import test from "node:test";
import { SimulatedCar } from "../simulator/car/car.ts";
import {
  commandMetadata,
  derivedKey,
  metadata,
  newKeyPair,
  requestHash,
  responseMetadata,
  sessionInfoTag,
  sharedKey,
} from "../simulator/protocol/crypto.ts";
import {
  decode,
  decodeRoutable,
  encode,
  encodeRoutable,
  enumValues,
  type SessionInfo,
} from "../simulator/protocol/messages.ts";
import type { Answer, Computer } from "../simulator/protocol/computer.ts";

interface KeyVector {
  private_scalar_hex: string;
  public_hex: string;
}
interface InfoVector {
  clock_time: number;
  counter: number;
  epoch_hex: string;
  handle?: number;
  public_key_hex?: string;
  status?: number;
}
interface ResponseVector {
  aad_hex?: string;
  ciphertext_hex?: string;
  counter?: number;
  encrypted: boolean;
  fault: number;
  flags: number;
  message_hex: string;
  message_sorted_hex: string;
  metadata_hex?: string;
  nonce_hex?: string;
  operation_status: number;
  plaintext_decoded: object;
  plaintext_hex: string;
  request_hash_hex?: string;
  request_uuid_present: boolean;
  tag_hex?: string;
}
interface RequestVector {
  command: string;
  counter?: number;
  epoch_hex?: string;
  epoch_in_message?: boolean;
  expires_at?: number;
  flags: number;
  message_hex: string;
  message_sorted_hex: string;
  metadata_hex?: string;
  method?: string;
  plaintext_decoded?: object;
  plaintext_hex: string;
  request_hash_hex?: string;
  tag_hex?: string;
  uuid_hex: string;
}
interface Vector {
  id: string;
  title: string;
  vin: string;
  domain: "infotainment" | "vcsec";
  domain_id: number;
  client_key: KeyVector;
  vehicle_key: KeyVector;
  shared_key_hex: string;
  command_key_hex: string;
  session_info_key_hex: string;
  vehicle_state: { clock: number; counter: number; epoch_hex: string; window: string };
  vehicle_counter_after: number;
  vehicle_window_after?: string;
  handshake: {
    decoded: InfoVector;
    request_message_hex: string;
    request_message_sorted_hex: string;
    request_uuid_hex: string;
    response_message_hex: string;
    response_message_sorted_hex: string;
    session_info_hex: string;
    session_info_metadata_hex: string;
    session_info_tag_hex: string;
  };
  request: RequestVector;
  response: ResponseVector;
  error_reply_hex: string;
  error_reply_sorted_hex: string;
  fault: number;
  fault_name: string;
  session_info_attached: boolean;
  session_info?: {
    challenge_hex: string;
    decoded: InfoVector;
    metadata_hex: string;
    session_info_hex: string;
    tag_hex: string;
  };
}

function load(name: string) {
  return JSON.parse(readFileSync(new URL(`../vectors/${name}.json`, import.meta.url), "utf8"));
}

const hex = (text: string) => Buffer.from(text, "hex");

// A car in the state of the vector, its client paired.
function carOf(vector: Vector): { car: SimulatedCar; subsystem: Computer } {
  const car = new SimulatedCar({ vin: vector.vin, now: () => 1_767_225_600_000 });
  car.pair(vector.client_key.public_hex);
  const state = {
    privateScalar: hex(vector.vehicle_key.private_scalar_hex),
    epoch: hex(vector.vehicle_state.epoch_hex),
    clock: vector.vehicle_state.clock,
    counter: vector.vehicle_state.counter,
    window: BigInt(vector.vehicle_state.window),
  };
  const subsystem = vector.domain === "vcsec" ? car.vcsec : car.infotainment;
  subsystem.load(state, hex(vector.client_key.public_hex));
  return { car, subsystem };
}

// Keys of every vector, and the handshake down to the last byte.
function checkKeysAndHandshake(vector: Vector, car: SimulatedCar, subsystem: Computer): void {
  const key = sharedKey(subsystem.keyPair, hex(vector.client_key.public_hex));
  assert.equal(key.toString("hex"), vector.shared_key_hex);
  // The same from the client's side.
  const client = newKeyPair(hex(vector.client_key.private_scalar_hex));
  assert.equal(client.getPublicKey("hex"), vector.client_key.public_hex);
  assert.equal(subsystem.publicKey.toString("hex"), vector.vehicle_key.public_hex);
  assert.equal(sharedKey(client, subsystem.publicKey).toString("hex"), vector.shared_key_hex);
  assert.equal(derivedKey(key, "authenticated command").toString("hex"), vector.command_key_hex);
  assert.equal(derivedKey(key, "session info").toString("hex"), vector.session_info_key_hex);

  const { handshake } = vector;
  for (const request of [handshake.request_message_hex, handshake.request_message_sorted_hex]) {
    const answer = car.handleSignedCommand(hex(request)).toString("hex");
    assert.equal(answer, handshake.response_message_sorted_hex);
  }
  const answer = decodeRoutable(hex(handshake.response_message_hex));
  assert.equal(encodeRoutable(answer).toString("hex"), handshake.response_message_sorted_hex);
  checkInfo(hex(handshake.session_info_hex), handshake.decoded);
  const challenge = hex(handshake.request_uuid_hex);
  const tag = sessionInfoTag(key, vector.vin, challenge, hex(handshake.session_info_hex));
  assert.equal(tag.toString("hex"), handshake.session_info_tag_hex);
  assert.equal(infoMetadata(vector.vin, handshake.request_uuid_hex), handshake.session_info_metadata_hex);
}

function infoMetadata(vin: string, challenge: string): string {
  return metadata([
    [0, [6]],
    [2, Buffer.from(vin)],
    [6, hex(challenge)],
  ]).toString("hex");
}

function checkInfo(bytes: Buffer, decoded: InfoVector): void {
  const info = decode("SessionInfo", bytes) as SessionInfo;
  assert.equal(info.counter ?? 0, decoded.counter);
  assert.equal(info.clock_time ?? 0, decoded.clock_time);
  assert.equal(info.epoch?.toString("hex"), decoded.epoch_hex);
  if (decoded.public_key_hex) assert.equal(info.publicKey?.toString("hex"), decoded.public_key_hex);
  assert.equal(info.status ?? 0, decoded.status ?? 0);
  assert.equal(info.handle ?? 0, decoded.handle ?? 0);
}

function checkAccepted(vector: Vector): void {
  const { request, response } = vector;
  for (const message of [request.message_hex, request.message_sorted_hex]) {
    const { car, subsystem } = carOf(vector);
    checkKeysAndHandshake(vector, car, subsystem);
    const script: Answer = {
      payload: hex(response.plaintext_hex),
      encrypted: response.encrypted,
      flags: response.flags,
      fault: response.fault,
      operationStatus: response.operation_status,
      withRequestUuid: response.request_uuid_present,
    };
    if (response.counter !== undefined) script.counter = response.counter;
    if (response.nonce_hex) script.nonce = hex(response.nonce_hex);
    car.scripted.push(script);
    const answer = car.handleSignedCommand(hex(message));
    assert.equal(answer.toString("hex"), response.message_sorted_hex);
    const session = subsystem.session(hex(vector.client_key.public_hex));
    assert.equal(session.counter, vector.vehicle_counter_after);
    if (vector.vehicle_window_after) assert.equal(session.window, BigInt(vector.vehicle_window_after));
  }
  checkUnscripted(vector);
  checkRequestFigures(vector);
  if (response.encrypted) checkEncryption(vector);
}

// What the car says of itself: accepted, no fault, encrypted exactly when the flags ask for it, never twice.
function checkUnscripted(vector: Vector): void {
  const { car } = carOf(vector);
  const answer = decodeRoutable(car.handleSignedCommand(hex(vector.request.message_hex)));
  assert.equal(answer.signedMessageStatus, undefined);
  const asked = (vector.request.flags & 2) !== 0;
  assert.equal(answer.signature_data?.AES_GCM_Response_data !== undefined, asked);
  const again = decodeRoutable(car.handleSignedCommand(hex(vector.request.message_hex)));
  assert.equal(again.signedMessageStatus?.signed_message_fault, faultOfReplay(vector.request.counter));
  assert.ok(car.executed.length <= (vector.request.counter === 0 ? 2 : 1));
}

// A command without a counter is not protected; the last counter ends the epoch.
function faultOfReplay(counter: number | undefined): number | undefined {
  if (counter === 0) return undefined;
  return counter === 0xffffffff ? 15 : 6;
}

function checkRequestFigures(vector: Vector): void {
  const { request } = vector;
  const gcm = request.method === "AES_GCM_PERSONALIZED";
  const fields = {
    type: gcm ? 5 : 8,
    domain: vector.domain_id,
    vin: vector.vin,
    epoch: hex(request.epoch_hex ?? ""),
    expiresAt: request.expires_at ?? 0,
    counter: request.counter ?? 0,
    flags: request.flags,
  };
  assert.equal(commandMetadata(fields).toString("hex"), request.metadata_hex);
  const hash = requestHash(fields.type, hex(request.tag_hex ?? ""), vector.domain === "vcsec");
  assert.equal(hash.toString("hex"), request.request_hash_hex);
  const message = decodeRoutable(hex(request.message_hex));
  assert.equal(encodeRoutable(message).toString("hex"), request.message_sorted_hex);
  assert.equal(message.flags ?? 0, request.flags);
  assert.equal(message.uuid?.toString("hex") ?? "", request.uuid_hex);
  const data = message.signature_data;
  const signed = gcm ? data?.AES_GCM_Personalized_data : data?.HMAC_Personalized_data;
  assert.equal(signed?.tag?.toString("hex"), request.tag_hex);
  assert.equal(signed?.counter ?? 0, request.counter);
  assert.equal(signed?.expires_at ?? 0, request.expires_at);
  assert.equal(signed?.epoch !== undefined, request.epoch_in_message);
  const type = vector.domain === "vcsec" ? "UnsignedMessage" : "Action";
  checkDecoded(type, request.plaintext_hex, request.plaintext_decoded ?? {});
}

// The figures of an encrypted answer, and that it opens with what the vector says.
function checkEncryption(vector: Vector): void {
  const { response, request } = vector;
  const text = responseMetadata({
    domain: vector.domain_id,
    vin: vector.vin,
    counter: response.counter ?? 0,
    flags: response.flags,
    requestHash: hex(request.request_hash_hex ?? ""),
    fault: response.fault,
  });
  assert.equal(text.toString("hex"), response.metadata_hex);
  assert.equal(response.request_hash_hex, request.request_hash_hex);
  const aad = createHash("sha256").update(text).digest();
  assert.equal(aad.toString("hex"), response.aad_hex);
  const decipher = createDecipheriv("aes-128-gcm", hex(vector.shared_key_hex), hex(response.nonce_hex ?? ""));
  decipher.setAAD(aad).setAuthTag(hex(response.tag_hex ?? ""));
  const plaintext = Buffer.concat([decipher.update(hex(response.ciphertext_hex ?? "")), decipher.final()]);
  assert.equal(plaintext.toString("hex"), response.plaintext_hex);
  const type = vector.domain === "vcsec" ? "FromVCSECMessage" : "Response";
  checkDecoded(type, response.plaintext_hex, response.plaintext_decoded);
}

// Enum members by name and floats as written in the vectors, to what the definitions decode to.
const ENUM_FIELDS: { [field: string]: string } = {
  RKEAction: "RKEAction_E",
  rearTrunk: "ClosureMoveType_E",
  vehicleLockState: "VehicleLockState_E",
  vehicleSleepStatus: "VehicleSleepStatus_E",
  genericError: "GenericError_E",
  operationStatus: "OperationStatus_E",
  signedMessageInformation: "SignedMessage_information_E",
};

function expected(value: unknown, field = ""): unknown {
  if (typeof value === "number" && !Number.isInteger(value)) return Math.fround(value);
  if (field === "result" && value === "OPERATIONSTATUS_ERROR") return 1;
  if (typeof value === "string" && ENUM_FIELDS[field]) {
    const number = enumValues(ENUM_FIELDS[field])[value];
    assert.notEqual(number, undefined, `${value} is not in ${ENUM_FIELDS[field]}`);
    return number;
  }
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, expected(inner, name)]));
}

function checkDecoded(type: string, encoded: string, decoded: object): void {
  const found = decode(type, hex(encoded));
  assert.deepEqual(found, expected(decoded));
  assert.equal(encode(type, found).toString("hex"), encoded);
  // From the vector's own structure too, which never saw the bytes.
  assert.equal(encode(type, expected(decoded) as object).toString("hex"), encoded);
}

test("every accepted vector is accepted, and answered with the same bytes", () => {
  const vectors: Vector[] = load("accept").vectors;
  let checked = 0;
  let encrypted = 0;
  for (const vector of vectors) {
    checkOne(vector, checkAccepted);
    checked++;
    if (vector.response.encrypted) encrypted++;
  }
  assert.deepEqual({ checked, encrypted }, { checked: 63, encrypted: 59 });
});

test("every rejected vector gets the same fault, with session info where the reference gives it", () => {
  const vectors: Vector[] = load("reject").vectors;
  const faults: { [fault: number]: number } = {};
  let withSessionInfo = 0;
  for (const vector of vectors) {
    checkOne(vector, checkRejected);
    faults[vector.fault] = (faults[vector.fault] ?? 0) + 1;
    if (vector.session_info_attached) withSessionInfo++;
  }
  assert.deepEqual(faults, { 5: 26, 6: 3, 8: 2, 13: 3, 15: 2, 17: 2, 20: 3 });
  assert.equal(withSessionInfo, 37);
});

function checkRejected(vector: Vector): void {
  for (const message of [vector.request.message_hex, vector.request.message_sorted_hex]) {
    const { car, subsystem } = carOf(vector);
    checkKeysAndHandshake(vector, car, subsystem);
    // To the computer of the vector, also where the address on the message is another.
    const bytes = car.receive(subsystem, decodeRoutable(hex(message)));
    assert.equal(bytes.toString("hex"), vector.error_reply_sorted_hex);
    const answer = decodeRoutable(bytes);
    assert.equal(answer.signedMessageStatus?.signed_message_fault, vector.fault);
    assert.equal(enumValues("MessageFault_E")[vector.fault_name], vector.fault);
    assert.equal(answer.session_info !== undefined, vector.session_info_attached);
    assert.equal(vector.session_info !== undefined, vector.session_info_attached);
    if (vector.session_info) checkAttached(vector, subsystem);
    assert.equal(subsystem.session(hex(vector.client_key.public_hex)).counter, vector.vehicle_counter_after);
    assert.deepEqual(car.executed, []);
  }
}

function checkAttached(vector: Vector, subsystem: Computer): void {
  const info = vector.session_info;
  assert.ok(info);
  checkInfo(hex(info.session_info_hex), info.decoded);
  assert.equal(info.challenge_hex, vector.request.uuid_hex);
  assert.equal(infoMetadata(vector.vin, info.challenge_hex), info.metadata_hex);
  const key = sharedKey(subsystem.keyPair, hex(vector.client_key.public_hex));
  const tag = sessionInfoTag(key, vector.vin, hex(info.challenge_hex), hex(info.session_info_hex));
  assert.equal(tag.toString("hex"), info.tag_hex);
}

function checkOne(vector: Vector, check: (vector: Vector) => void): void {
  try {
    check(vector);
  } catch (error) {
    throw new Error(`${vector.id} ${vector.title}: ${String(error)}`, { cause: error });
  }
}

test("every payload decodes to its structure and back to the same bytes", () => {
  const vectors: { name: string; domain: string; hex: string; decoded: object }[] = load("payloads").vectors;
  let checked = 0;
  for (const vector of vectors) {
    checkDecoded(vector.domain === "vcsec" ? "UnsignedMessage" : "Action", vector.hex, vector.decoded);
    checked++;
  }
  assert.equal(checked, 39);
});

test("the fault names are those of the reference", () => {
  const names = new Map<number, string>();
  for (const { fault, name } of load("fault_classification").vectors) if (name) names.set(fault, name);
  const ours = Object.entries(enumValues("MessageFault_E"));
  for (const [name, fault] of ours) assert.equal(names.get(fault), name);
  assert.equal(ours.length, 29);
});

test("the published figures", () => {
  const { protocol_md: md, go_unit_tests: go } = load("published");
  const vehicle = newKeyPair(hex(md.vehicle_key.private_scalar_hex));
  const client = newKeyPair(hex(md.client_key.private_scalar_hex));
  assert.equal(vehicle.getPublicKey("hex"), md.vehicle_key.public_uncompressed_hex);
  assert.equal(client.getPublicKey("hex"), md.client_key.public_uncompressed_hex);
  const key = sharedKey(vehicle, client.getPublicKey());
  assert.equal(key.toString("hex"), md.shared_key_K_hex);
  assert.equal(derivedKey(key, "session info").toString("hex"), md.session_info_key_hex);

  const items = (list: { tag: number; value_hex: string }[]) => {
    return list.map(({ tag, value_hex }): [number, Buffer] => [tag, hex(value_hex)]);
  };
  for (const example of md.tlv_examples) {
    const bytes = metadata(items(example.items)).toString("hex");
    assert.equal(example.terminated ? bytes : bytes.slice(0, -2), example.bytes_hex);
  }
  const checksum = createHash("sha256")
    .update(metadata(items(go.metadata_checksum.items)))
    .digest("hex");
  assert.equal(checksum, go.metadata_checksum.sha256_hex);
  const { request_hash: hash } = go;
  assert.equal(requestHash(hash.signature_type, hex(hash.tag_hex), true).toString("hex"), hash.vcsec_hex);
  const whole = requestHash(hash.signature_type, hex(hash.tag_hex), false);
  assert.equal(whole.toString("hex"), hash.infotainment_hex);

  // The handshake of the document, from the car's side.
  const car = new SimulatedCar({ vin: md.vin, now: () => 1_767_225_600_000 });
  car.pair(client.getPublicKey());
  const info = md.session_info;
  const state = {
    privateScalar: hex(md.vehicle_key.private_scalar_hex),
    epoch: hex(info.decoded.epoch_hex),
    clock: info.decoded.clock_time,
    counter: info.decoded.counter,
    window: 0n,
  };
  car.infotainment.load(state, client.getPublicKey());
  const request = encodeRoutable({
    to_destination: { domain: md.handshake_request.to_domain },
    from_destination: { routing_address: hex(md.handshake_request.from_routing_address_hex) },
    session_info_request: { public_key: hex(md.handshake_request.session_info_request_public_key_hex) },
    uuid: hex(md.handshake_request.uuid_hex),
  });
  const answer = decodeRoutable(car.handleSignedCommand(request));
  assert.equal(answer.session_info?.toString("hex"), info.session_info_hex);
  assert.equal(answer.signature_data?.session_info_tag?.tag?.toString("hex"), info.tag_hex);
  assert.equal(answer.request_uuid?.toString("hex"), info.request_uuid_hex);
  assert.equal(answer.from_destination?.domain, info.from_domain);
  assert.equal(answer.to_destination?.routing_address?.toString("hex"), info.to_routing_address_hex);
  assert.equal(infoMetadata(md.vin, info.request_uuid_hex), info.metadata_hex);

  // Its command, encrypted as for Bluetooth: the same ciphertext, and the car accepts it and heats.
  const gcm = md.aes_gcm_command;
  const fields = {
    type: gcm.signature_type,
    domain: gcm.domain,
    vin: md.vin,
    epoch: hex(gcm.epoch_hex),
    expiresAt: gcm.expires_at,
    counter: gcm.counter,
    flags: gcm.flags,
  };
  assert.equal(commandMetadata(fields).toString("hex"), gcm.metadata_hex);
  const cipher = createCipheriv("aes-128-gcm", key, hex(gcm.nonce_hex));
  cipher.setAAD(createHash("sha256").update(commandMetadata(fields)).digest());
  const ciphertext = Buffer.concat([cipher.update(hex(gcm.plaintext_hex)), cipher.final()]);
  assert.equal(ciphertext.toString("hex"), gcm.ciphertext_hex);
  assert.equal(cipher.getAuthTag().toString("hex"), gcm.tag_hex);
  const command = encodeRoutable({
    to_destination: { domain: gcm.message.to_domain },
    from_destination: { routing_address: hex(gcm.message.from_routing_address_hex) },
    protobuf_message_as_bytes: ciphertext,
    signature_data: {
      signer_identity: { public_key: hex(gcm.message.signer_public_key_hex) },
      AES_GCM_Personalized_data: {
        epoch: hex(gcm.epoch_hex),
        nonce: hex(gcm.nonce_hex),
        counter: gcm.counter,
        expires_at: gcm.expires_at,
        tag: hex(gcm.tag_hex),
      },
    },
    uuid: hex(gcm.message.uuid_hex),
  });
  assert.equal(decodeRoutable(car.handleSignedCommand(command)).signedMessageStatus, undefined);
  assert.deepEqual(
    car.executed.map(({ name }) => name),
    ["auto_conditioning_start"],
  );

  const line = md.debug_line_message;
  const message = decodeRoutable(hex(line.bytes_hex));
  const payload = message.protobuf_message_as_bytes ?? Buffer.alloc(0);
  assert.equal(payload.toString("hex"), line.decoded.protobuf_message_as_bytes_hex);
  assert.equal(message.uuid?.toString("hex"), line.decoded.uuid_hex);
  assert.deepEqual(decode("UnsignedMessage", payload), { InformationRequest: { informationRequestType: 5 } });
});
