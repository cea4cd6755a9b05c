// The simulated car against the vectors of Tesla's reference: each accepted command, each refused one, each
// payload, each published figure. The numbers of what was checked are asserted, so that nothing is skipped.
import assert from "node:assert/strict";
import { createCipheriv, createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import test from "node:test";
import { SimulatedCar } from "../simulator/car/car.ts";
import { commandMetadata, derivedKey, metadata, newKeyPair } from "../simulator/protocol/crypto.ts";
import { requestHash, sharedKey } from "../simulator/protocol/crypto.ts";
import { decode, decodeRoutable, encode, encodeRoutable } from "../simulator/protocol/messages.ts";
import { enumValues } from "../simulator/protocol/messages.ts";
import type { Anything } from "./simulator_client.ts";

function load(name: string): Anything {
  return JSON.parse(readFileSync(new URL(`../vectors/${name}.json`, import.meta.url), "utf8"));
}

const hex = (text = "") => Buffer.from(text, "hex");

/** A car in the state of the vector, its client paired, after a handshake that has the right bytes. */
function carOf(vector: Anything) {
  const car = new SimulatedCar({ vin: vector.vin, now: () => 1_767_225_600_000 });
  car.pair(vector.client_key.public_hex);
  const computer = vector.domain === "vcsec" ? car.vcsec : car.infotainment;
  const clientKey = hex(vector.client_key.public_hex);
  const { epoch_hex, clock, counter, window } = vector.vehicle_state;
  const privateScalar = hex(vector.vehicle_key.private_scalar_hex);
  computer.load({ privateScalar, epoch: hex(epoch_hex), clock, counter, window: BigInt(window) }, clientKey);
  assert.equal(sharedKey(computer.keyPair, clientKey).toString("hex"), vector.shared_key_hex, "shared key");
  const { handshake } = vector;
  for (const request of [handshake.request_message_hex, handshake.request_message_sorted_hex]) {
    const answer = car.handleSignedCommand(hex(request)).toString("hex");
    assert.equal(answer, handshake.response_message_sorted_hex, "the answer to the handshake");
  }
  return { car, computer, session: () => computer.session(clientKey) };
}

function checkAccepted(vector: Anything): void {
  const { request, response } = vector;
  const isVcsec = vector.domain === "vcsec";
  for (const message of [request.message_hex, request.message_sorted_hex]) {
    const { car, session } = carOf(vector);
    car.scripted.push({
      payload: hex(response.plaintext_hex),
      encrypted: response.encrypted,
      flags: response.flags,
      fault: response.fault,
      operationStatus: response.operation_status,
      withRequestUuid: response.request_uuid_present,
      ...(response.counter === undefined ? {} : { counter: response.counter }),
      ...(response.nonce_hex ? { nonce: hex(response.nonce_hex) } : {}),
    });
    const answer = car.handleSignedCommand(hex(message)).toString("hex");
    assert.equal(answer, response.message_sorted_hex, "the answer");
    const { counter, window } = session();
    assert.equal(counter, vector.vehicle_counter_after, "the counter afterwards");
    if (vector.vehicle_window_after) assert.equal(window, BigInt(vector.vehicle_window_after), "the window");
  }
  checkUnscripted(vector);
  checkDecoded(
    isVcsec ? "UnsignedMessage" : "Action",
    request.plaintext_hex,
    request.plaintext_decoded ?? {},
  );
  if (!response.encrypted) return;
  checkDecoded(isVcsec ? "FromVCSECMessage" : "Response", response.plaintext_hex, response.plaintext_decoded);
}

/** What the car says of itself: accepted, no fault, encrypted exactly when the flags ask for it, never twice. */
function checkUnscripted(vector: Anything): void {
  const { request } = vector;
  const { car } = carOf(vector);
  const answer = decodeRoutable(car.handleSignedCommand(hex(request.message_hex)));
  assert.equal(answer.signedMessageStatus, undefined, "no fault");
  const isEncrypted = answer.signature_data?.AES_GCM_Response_data !== undefined;
  assert.equal(isEncrypted, (request.flags & 2) !== 0, "encrypted when asked for");
  // A command without a counter is not protected; the last counter ends the epoch.
  const faultOfReplay = request.counter === 0 ? undefined : request.counter === 0xffffffff ? 15 : 6;
  const again = decodeRoutable(car.handleSignedCommand(hex(request.message_hex)));
  assert.equal(again.signedMessageStatus?.signed_message_fault, faultOfReplay, "the same message once more");
  assert.ok(car.executed.length <= (request.counter === 0 ? 2 : 1), "nothing is done twice");
}

function checkRejected(vector: Anything): void {
  for (const message of [vector.request.message_hex, vector.request.message_sorted_hex]) {
    const { car, computer, session } = carOf(vector);
    // To the computer of the vector, also where the address on the message is another.
    const bytes = car.receive(computer, decodeRoutable(hex(message)));
    assert.equal(bytes.toString("hex"), vector.error_reply_sorted_hex, "the answer");
    const answer = decodeRoutable(bytes);
    assert.equal(answer.signedMessageStatus?.signed_message_fault, vector.fault, "the fault");
    assert.equal(answer.session_info !== undefined, vector.session_info_attached, "session info");
    assert.equal(session().counter, vector.vehicle_counter_after, "the counter afterwards");
    assert.deepEqual(car.executed, [], "nothing is done");
  }
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
  const wanted = expected(decoded) as object;
  assert.deepEqual(decode(type, hex(encoded)), wanted, `${type} decoded`);
  assert.equal(encode(type, wanted).toString("hex"), encoded, `${type} encoded`);
}

function checkAll(vectors: Anything[], check: (vector: Anything) => void): void {
  for (const vector of vectors) {
    try {
      check(vector);
    } catch (error) {
      throw new Error(`${vector.id} ${vector.title}: ${String(error)}`, { cause: error });
    }
  }
}

test("every accepted vector is accepted, and answered with the same bytes", () => {
  const vectors: Anything[] = load("accept").vectors;
  checkAll(vectors, checkAccepted);
  const encrypted = vectors.filter(({ response }) => response.encrypted).length;
  assert.deepEqual([vectors.length, encrypted], [63, 59], "how many, and how many of them encrypted");
});

test("every rejected vector gets the same fault, with session info where the reference gives it", () => {
  const vectors: Anything[] = load("reject").vectors;
  checkAll(vectors, checkRejected);
  const faults: { [fault: number]: number } = {};
  for (const { fault } of vectors) faults[fault] = (faults[fault] ?? 0) + 1;
  assert.deepEqual(faults, { 5: 26, 6: 3, 8: 2, 13: 3, 15: 2, 17: 2, 20: 3 }, "how many of each fault");
});

test("every payload decodes to its structure and back to the same bytes", () => {
  const vectors: Anything[] = load("payloads").vectors;
  checkAll(vectors, ({ domain, hex: bytes, decoded }) => {
    checkDecoded(domain === "vcsec" ? "UnsignedMessage" : "Action", bytes, decoded);
  });
  assert.equal(vectors.length, 39, "how many");
});

test("the fault names are those of the reference", () => {
  const names = new Map<number, string>();
  for (const { fault, name } of load("fault_classification").vectors) if (name) names.set(fault, name);
  const ours = Object.entries(enumValues("MessageFault_E"));
  for (const [name, fault] of ours) assert.equal(names.get(fault), name, `fault ${fault}`);
  assert.equal(ours.length, 29, "how many");
});

test("the published figures", () => {
  const { protocol_md: md, go_unit_tests: go } = load("published");
  const vehicle = newKeyPair(hex(md.vehicle_key.private_scalar_hex));
  const clientKey = newKeyPair(hex(md.client_key.private_scalar_hex)).getPublicKey();
  assert.equal(clientKey.toString("hex"), md.client_key.public_uncompressed_hex, "the client's key");
  const key = sharedKey(vehicle, clientKey);
  assert.equal(key.toString("hex"), md.shared_key_K_hex, "the shared key");
  assert.equal(derivedKey(key, "session info").toString("hex"), md.session_info_key_hex, "the derived key");

  const ofItems = (list: Anything[]) =>
    metadata(list.map(({ tag, value_hex }): [number, Buffer] => [tag, hex(value_hex)]));
  for (const { items, terminated, bytes_hex } of md.tlv_examples) {
    const bytes = ofItems(items).toString("hex");
    assert.equal(terminated ? bytes : bytes.slice(0, -2), bytes_hex, "an example of metadata");
  }
  const checksum = createHash("sha256").update(ofItems(go.metadata_checksum.items)).digest("hex");
  assert.equal(checksum, go.metadata_checksum.sha256_hex, "the checksum of metadata");
  const { signature_type, tag_hex, vcsec_hex, infotainment_hex } = go.request_hash;
  const hashOf = (isVcsec: boolean) => requestHash(signature_type, hex(tag_hex), isVcsec).toString("hex");
  assert.deepEqual([hashOf(true), hashOf(false)], [vcsec_hex, infotainment_hex], "hashes of a request");
});

test("the published handshake, and the published command, encrypted as for Bluetooth", () => {
  const {
    session_info: info,
    handshake_request: asks,
    aes_gcm_command: gcm,
    ...md
  } = load("published").protocol_md;
  const car = new SimulatedCar({ vin: md.vin, now: () => 1_767_225_600_000 });
  car.pair(md.client_key.public_uncompressed_hex);
  const { epoch_hex, clock_time: clock, counter } = info.decoded;
  const privateScalar = hex(md.vehicle_key.private_scalar_hex);
  const state = { privateScalar, epoch: hex(epoch_hex), clock, counter, window: 0n };
  car.infotainment.load(state, hex(md.client_key.public_uncompressed_hex));
  const request = encodeRoutable({
    to_destination: { domain: asks.to_domain },
    from_destination: { routing_address: hex(asks.from_routing_address_hex) },
    session_info_request: { public_key: hex(asks.session_info_request_public_key_hex) },
    uuid: hex(asks.uuid_hex),
  });
  const answer = decodeRoutable(car.handleSignedCommand(request));
  assert.equal(answer.session_info?.toString("hex"), info.session_info_hex, "session info");
  const tag = answer.signature_data?.session_info_tag?.tag;
  assert.equal(tag?.toString("hex"), info.tag_hex, "its tag");
  assert.equal(answer.request_uuid?.toString("hex"), info.request_uuid_hex, "the request that it is for");

  const { domain, expires_at, signature_type: type, flags } = gcm;
  const epoch = hex(gcm.epoch_hex);
  const fields = { type, domain, vin: md.vin, epoch, expiresAt: expires_at, counter: gcm.counter, flags };
  const cipher = createCipheriv("aes-128-gcm", hex(md.shared_key_K_hex), hex(gcm.nonce_hex));
  cipher.setAAD(createHash("sha256").update(commandMetadata(fields)).digest());
  const ciphertext = Buffer.concat([cipher.update(hex(gcm.plaintext_hex)), cipher.final()]);
  assert.equal(ciphertext.toString("hex"), gcm.ciphertext_hex, "the ciphertext");
  assert.equal(cipher.getAuthTag().toString("hex"), gcm.tag_hex, "its tag");
  const signed = {
    epoch,
    nonce: hex(gcm.nonce_hex),
    counter: gcm.counter,
    expires_at,
    tag: hex(gcm.tag_hex),
  };
  const command = encodeRoutable({
    to_destination: { domain: gcm.message.to_domain },
    from_destination: { routing_address: hex(gcm.message.from_routing_address_hex) },
    protobuf_message_as_bytes: ciphertext,
    signature_data: {
      signer_identity: { public_key: hex(gcm.message.signer_public_key_hex) },
      AES_GCM_Personalized_data: signed,
    },
    uuid: hex(gcm.message.uuid_hex),
  });
  assert.equal(
    decodeRoutable(car.handleSignedCommand(command)).signedMessageStatus,
    undefined,
    "it is accepted",
  );
  assert.deepEqual(
    car.executed.map(({ name }) => name),
    ["auto_conditioning_start"],
    "and the car heats",
  );
});
