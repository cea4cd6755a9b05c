// The simulated car's own behaviour: what it executes, how it refuses, what goes wrong on request. The
// signing client here is the test's own, on the simulator's cryptography; lib/ has no part in it.

import assert from "node:assert/strict";
import { createDecipheriv, createHash, randomBytes } from "node:crypto";
import test from "node:test";
import { SimulatedCar, type FaultOptions } from "../simulator/car/car.ts";
import { refusalPayload } from "../simulator/car/payloads.ts";
import { TAMPERS } from "../simulator/car/tampers.ts";
import { INFOTAINMENT, VCSEC, decode, decodeRoutable, encode, encodeRoutable, type RoutableMessage, type SessionInfo } from "../simulator/protocol/messages.ts";
import { commandTag, newKeyPair, requestHash, responseMetadata, sessionInfoTag, sharedKey } from "../simulator/protocol/crypto.ts";
import { VIN } from "../simulator/tesla/tesla.ts";

// A clock that only the test moves.
function makeCar() {
  const time = { ms: 1_767_225_605_123 };
  const car = new SimulatedCar({ vin: VIN, now: () => time.ms });
  const client = new Client(car);
  car.pair(client.publicKey);
  return { car, client, time };
}

interface Reply {
  fault: number; status: number; plaintext?: Buffer; encrypted: boolean; info?: SessionInfo;
  message: RoutableMessage;
}
interface Change { flags?: number; counter?: number; life?: number }

class Client {
  car: SimulatedCar;
  keyPair = newKeyPair();
  info: { [domain: number]: SessionInfo } = {};
  counter: { [domain: number]: number } = {};
  lastBytes: Buffer = Buffer.alloc(0);

  constructor(car: SimulatedCar) {
    this.car = car;
  }

  get publicKey(): Buffer {
    return this.keyPair.getPublicKey();
  }

  handshakeBytes(domain: number, uuid: Buffer): Buffer {
    return encodeRoutable({
      to_destination: { domain },
      from_destination: { routing_address: randomBytes(16) },
      session_info_request: { public_key: this.publicKey },
      uuid,
    });
  }

  handshake(domain: number): RoutableMessage {
    const uuid = randomBytes(16);
    const answer = decodeRoutable(this.car.handleSignedCommand(this.handshakeBytes(domain, uuid)));
    if (!answer.session_info) return answer;
    const info = decode("SessionInfo", answer.session_info) as SessionInfo;
    if (info.publicKey?.length === 65 && info.status === undefined) {
      const tag = sessionInfoTag(this.key(info), VIN, uuid, answer.session_info);
      assert.deepEqual(answer.signature_data?.session_info_tag?.tag, tag);
      this.info[domain] = info;
      this.counter[domain] = info.counter ?? 0;
    }
    return answer;
  }

  key(info: SessionInfo): Buffer {
    return sharedKey(this.keyPair, info.publicKey ?? Buffer.alloc(0));
  }

  sign(domain: number, payload: Buffer, change: Change = {}) {
    if (!this.info[domain]) this.handshake(domain);
    const info = this.info[domain] ?? {};
    const counter = change.counter ?? (this.counter[domain] = (this.counter[domain] ?? 0) + 1);
    const fields = {
      type: 8, domain, vin: VIN, epoch: info.epoch ?? Buffer.alloc(0), counter,
      expiresAt: (info.clock_time ?? 0) + (change.life ?? 5), flags: change.flags ?? 2,
    };
    const tag = commandTag(this.key(info), fields, payload);
    return encodeRoutable({
      to_destination: { domain },
      from_destination: { routing_address: randomBytes(16) },
      protobuf_message_as_bytes: payload,
      signature_data: {
        signer_identity: { public_key: this.publicKey },
        HMAC_Personalized_data: { epoch: fields.epoch, counter, expires_at: fields.expiresAt, tag },
      },
      uuid: randomBytes(16),
      flags: fields.flags || undefined,
    });
  }

  send(domain: number, payload: Buffer, change: Change = {}): Reply {
    return this.deliver(domain, this.sign(domain, payload, change));
  }

  // Hands bytes to the car and opens the answer with the request's tag.
  deliver(domain: number, bytes: Buffer): Reply {
    this.lastBytes = bytes;
    const request = decodeRoutable(bytes);
    const message = decodeRoutable(this.car.handleSignedCommand(bytes));
    const fault = message.signedMessageStatus?.signed_message_fault ?? 0;
    const reply: Reply = {
      fault, status: message.signedMessageStatus?.operation_status ?? 0, encrypted: false, message,
      plaintext: message.protobuf_message_as_bytes,
    };
    if (message.session_info) {
      reply.info = decode("SessionInfo", message.session_info) as SessionInfo;
      const challenge = request.uuid ?? Buffer.alloc(0);
      const tag = sessionInfoTag(this.key(reply.info), VIN, challenge, message.session_info);
      assert.deepEqual(message.signature_data?.session_info_tag?.tag, tag);
    }
    const data = message.signature_data?.AES_GCM_Response_data;
    if (!data) return reply;
    const tag = request.signature_data?.HMAC_Personalized_data?.tag ?? Buffer.alloc(0);
    const text = responseMetadata({
      domain: message.from_destination?.domain ?? 0, vin: VIN, counter: data.counter ?? 0, fault,
      flags: message.flags ?? 0, requestHash: requestHash(8, tag, domain === VCSEC),
    });
    const key = this.key(this.info[domain] ?? {});
    const nonce = data.nonce ?? Buffer.alloc(12);
    const decipher = createDecipheriv("aes-128-gcm", key, nonce, { authTagLength: 16 });
    decipher.setAAD(createHash("sha256").update(text).digest()).setAuthTag(data.tag ?? Buffer.alloc(16));
    const plaintext = Buffer.concat([decipher.update(reply.plaintext ?? Buffer.alloc(0)), decipher.final()]);
    return { ...reply, plaintext, encrypted: true };
  }

  action(vehicleAction: object, change: Change = {}): Reply {
    return this.send(INFOTAINMENT, encode("Action", { vehicleAction }), change);
  }

  // The car's verdict: "" for yes, its reason for no.
  verdict(vehicleAction: object): string {
    const reply = this.action(vehicleAction);
    assert.equal(reply.fault, 0);
    const { actionStatus } = decode("Response", reply.plaintext ?? Buffer.alloc(0)) as {
      actionStatus?: { result?: number; result_reason?: { plain_text?: string } };
    };
    return actionStatus?.result === 1 ? (actionStatus.result_reason?.plain_text ?? "unspecified") : "";
  }
}

const HONK = { vehicleControlHonkHornAction: {} };
const amps = (charging_amps: number) => ({ setChargingAmpsAction: { charging_amps } });

test("signed commands change the car and are logged once each", () => {
  const { car, client } = makeCar();
  assert.equal(client.verdict(amps(10)), "");
  assert.equal(car.amps, 10);
  assert.equal(client.verdict({ chargingStartStopAction: { start: {} } }), "is_charging");
  assert.equal(client.verdict({ chargingStartStopAction: { stop: {} } }), "");
  assert.equal(client.verdict({ chargingStartStopAction: { stop: {} } }), "not_charging");
  assert.equal(client.verdict({ chargingStartStopAction: { start: {} } }), "");
  assert.equal(client.verdict({ chargingSetLimitAction: { percent: 80 } }), "already_set");
  assert.equal(client.verdict({ chargingSetLimitAction: { percent: 70 } }), "");
  assert.equal(client.verdict({ chargingStartStopAction: { start_standard: {} } }), "");
  assert.equal(client.verdict({ chargingStartStopAction: { start_max_range: {} } }), "");
  assert.equal(car.chargeLimit, 100);
  assert.equal(client.verdict({ scheduledChargingAction: { enabled: true, charging_time: 120 } }), "");
  assert.deepEqual(car.scheduledCharging, { enable: true, time: 120 });
  assert.equal(client.verdict({ addChargeScheduleAction: { id: 77, enabled: true, latitude: 1.5 } }), "");
  assert.equal(client.verdict({ removeChargeScheduleAction: { id: 77 } }), "");
  assert.equal(client.verdict({ removeChargeScheduleAction: { id: 77 } }), "schedule_not_found");
  assert.equal(client.verdict({ hvacAutoAction: { power_on: true } }), "");
  assert.equal(client.verdict(HONK), "");
  assert.equal(client.verdict({ vehicleControlFlashLightsAction: {} }), "");
  assert.deepEqual([car.honks, car.lightFlashes, car.climateOn], [1, 1, true]);
  assert.deepEqual(car.executed.map(({ name }) => name), [
    "set_charging_amps", "charge_stop", "charge_start", "set_charge_limit", "charge_standard",
    "charge_max_range", "set_scheduled_charging", "add_charge_schedule", "remove_charge_schedule",
    "auto_conditioning_start", "honk_horn", "flash_lights",
  ]);
});

test("amps: clamped above, two calls needed below 5, the floor again after plugging in", () => {
  const { car } = makeCar();
  const set = (charging_amps: number) => car.execute("set_charging_amps", { charging_amps });
  set(80);
  assert.equal(car.amps, 16);
  set(3);
  assert.equal(car.amps, 5);
  set(3);
  assert.equal(car.amps, 3);
  assert.equal(car.chargeState().charger_actual_current, 3);
  car.unplug();
  car.plug();
  assert.equal(car.amps, 5);
  set(2);
  set(4);
  assert.equal(car.amps, 5, "a second call counts only if it is the same");
  car.charging = false;
  set(4);
  assert.equal(car.amps, 5, "and only while charging");
  set(0);
  assert.equal(car.amps, 0);
  assert.deepEqual(set(-1), { result: false, reason: "invalid_value" });
  assert.equal(car.amps, 0);
});

test("verdicts on charging in every state of the charger", () => {
  const { car } = makeCar();
  const start = () => car.execute("charge_start").reason;
  assert.equal(start(), "is_charging");
  car.charging = false;
  car.answersRequested = true;
  assert.equal(start(), "requested");
  car.answersRequested = false;
  car.refuse("could_not_wake_buses");
  assert.equal(start(), "could_not_wake_buses");
  car.hasPower = false;
  assert.equal(start(), "no_power");
  car.hasPower = true;
  car.batteryLevel = 80;
  assert.equal(start(), "complete");
  car.unplug();
  assert.equal(start(), "disconnected");
  assert.equal(car.execute("charge_stop").reason, "not_charging");
  assert.equal(car.execute("charge_port_door_close").reason, "already closed");
  assert.equal(car.execute("no_such_command").reason, "not_supported");
  assert.deepEqual(car.executed, []);
});

test("charge state over the air is that of vehicle_data", () => {
  const { car, client } = makeCar();
  const reply = client.action({ getVehicleData: { getChargeState: {} } });
  const answer = decode("Response", reply.plaintext ?? Buffer.alloc(0)) as {
    vehicleData: { charge_state: { [field: string]: unknown } };
  };
  const sent = answer.vehicleData.charge_state;
  const state: { [field: string]: unknown } = car.chargeState();
  assert.deepEqual(sent.charging_state, { Charging: {} });
  assert.deepEqual(sent.timestamp, { seconds: "1767225605", nanos: 123_000_000 });
  for (const [field, value] of Object.entries(sent)) {
    if (["charging_state", "timestamp"].includes(field)) continue;
    const expected = state[field === "charging_amps" ? "charge_amps" : field];
    assert.equal(value, typeof expected === "number" ? Math.fround(expected) : expected, field);
  }
});

test("VCSEC: lock, unlock, trunk, status signed and unsigned, and its own refusals", () => {
  const { car, client } = makeCar();
  const send = (fields: object) => client.send(VCSEC, encode("UnsignedMessage", fields));
  const unlocked = send({ RKEAction: 0 });
  assert.deepEqual([unlocked.encrypted, unlocked.message.request_uuid, car.locked], [true, undefined, false]);
  send({ RKEAction: 1 });
  send({ closureMoveRequest: { rearTrunk: 1 } });
  assert.deepEqual(car.executed.map(({ name }) => name), ["door_unlock", "door_lock", "actuate_trunk"]);
  const status = send({ InformationRequest: {} });
  const locked = { vehicleStatus: { vehicleLockState: 1, vehicleSleepStatus: 1 } };
  assert.deepEqual(decode("FromVCSECMessage", status.plaintext ?? Buffer.alloc(0)), locked);
  const question = { to_destination: { domain: VCSEC }, protobuf_message_as_bytes: Buffer.from([0x0a, 0]) };
  const unsigned = decodeRoutable(car.handleSignedCommand(encodeRoutable(question)));
  assert.deepEqual(decode("FromVCSECMessage", unsigned.protobuf_message_as_bytes ?? Buffer.alloc(0)), locked);
  const order = { ...question, protobuf_message_as_bytes: Buffer.from([0x10, 0]) };
  const refused = decodeRoutable(car.handleSignedCommand(encodeRoutable(order)));
  assert.equal(refused.signedMessageStatus?.signed_message_fault, 13);
  car.refuse("closures_open");
  const open = send({ RKEAction: 1 });
  const nominal = decode("FromVCSECMessage", open.plaintext ?? Buffer.alloc(0));
  assert.deepEqual(nominal, { nominalError: { genericError: 2 } });
  assert.equal(send({ WhitelistOperation: {} }).fault, 7);
  assert.equal(send({ RKEAction: 99 }).fault, 9);
});

test("a command is executed once, however often its bytes arrive", () => {
  const { car, client } = makeCar();
  client.action(HONK);
  const again = client.deliver(INFOTAINMENT, client.lastBytes);
  assert.deepEqual([again.fault, again.info?.counter], [6, 1]);
  assert.equal(car.honks, 1);
});

test("counters: infotainment takes late ones within 32, VCSEC none, each key has its own", () => {
  const { car, client } = makeCar();
  const honk = (counter: number) => client.action(HONK, { counter }).fault;
  assert.deepEqual([40, 8, 8, 7, 39, 39].map(honk), [0, 0, 6, 6, 0, 6]);
  const lock = (counter: number) => client.send(VCSEC, Buffer.from([0x10, 1]), { counter }).fault;
  assert.deepEqual([5, 4, 6].map(lock), [0, 6, 0]);
  car.vcsec.strictCounters = false;
  assert.deepEqual([4, 4].map(lock), [0, 6]);
  const other = new Client(car);
  car.pair(other.publicKey, "driver");
  assert.equal(other.action(HONK).fault, 0);
  assert.equal(other.counter[INFOTAINMENT], 1);
});

test("reboot, clock, new computer, new epoch after the last counter", () => {
  const { car, client, time } = makeCar();
  client.action(HONK);
  car.reboot();
  const rebooted = client.action(HONK);
  assert.equal(rebooted.fault, 15);
  assert.deepEqual([rebooted.info?.counter, rebooted.info?.clock_time], [undefined, undefined]);
  client.handshake(INFOTAINMENT);
  assert.equal(client.action(HONK).fault, 0);
  time.ms += 7000;
  const late = client.action(HONK);
  assert.deepEqual([late.fault, late.info?.clock_time], [17, 7]);
  client.handshake(INFOTAINMENT);
  car.moveClock(60);
  assert.equal(client.action(HONK).fault, 17);
  assert.equal(client.action(HONK, { life: 2 ** 30 }).fault, 13);
  assert.equal(client.action(HONK, { counter: 0, life: 200 }).fault, 20);
  client.handshake(INFOTAINMENT);
  const before = car.infotainment.publicKey;
  car.changeKey(INFOTAINMENT);
  assert.notDeepEqual(car.infotainment.publicKey, before);
  assert.deepEqual(client.action(HONK).info?.publicKey, car.infotainment.publicKey);
  client.handshake(INFOTAINMENT);
  assert.equal(client.action(HONK, { counter: 0xffffffff }).fault, 0);
  assert.equal(client.action(HONK).fault, 15);
});

test("who may: unpaired, inactive, mobile access", () => {
  const { car, client } = makeCar();
  const stranger = new Client(car);
  const faultOf = (answer: RoutableMessage) => answer.signedMessageStatus?.signed_message_fault;
  assert.equal(faultOf(stranger.handshake(INFOTAINMENT)), 3);
  for (const way of ["status", "status_only"] as const) {
    car.unpairedAnswer = way;
    const answer = stranger.handshake(INFOTAINMENT);
    const info = decode("SessionInfo", answer.session_info ?? Buffer.alloc(0)) as SessionInfo;
    assert.equal(info.status, 1);
    assert.equal(info.publicKey !== undefined, way === "status");
    assert.equal(answer.signature_data !== undefined, way === "status");
  }
  client.handshake(INFOTAINMENT);
  car.unpair(client.publicKey);
  assert.equal(client.action(HONK).fault, 3);
  car.pair(client.publicKey, "inactive");
  assert.equal(client.action(HONK).fault, 4);
  car.pair(client.publicKey);
  car.mobileAccess = false;
  assert.equal(client.action(HONK).fault, 21);
  assert.equal(faultOf(client.handshake(INFOTAINMENT)), 21);
  car.mobileAccess = true;
  assert.equal(client.action(HONK).fault, 0);
  assert.equal(car.honks, 1);
});

// All wrong at first; each step fixes the one thing that was named, and the next check in order speaks.
test("the order of the checks", () => {
  const { car, client } = makeCar();
  car.moveClock(500);
  client.action(HONK, { counter: 40 });
  const payload = encode("Action", { vehicleAction: HONK });
  const honest = decodeRoutable(client.sign(INFOTAINMENT, payload, { counter: 40 }));
  const signed = honest.signature_data?.HMAC_Personalized_data ?? {};
  const wrong = { ...signed, epoch: Buffer.alloc(16), expires_at: 499, counter: 2, tag: Buffer.alloc(32) };
  const steps: [number, boolean, number, object | undefined][] = [
    [13, false, VCSEC, undefined],
    [8, false, VCSEC, wrong],
    [15, true, INFOTAINMENT, wrong],
    [17, true, INFOTAINMENT, { ...wrong, epoch: signed.epoch }],
    [13, true, INFOTAINMENT, { ...wrong, epoch: signed.epoch, expires_at: 2 ** 30 + 1 }],
    [20, true, INFOTAINMENT, { ...wrong, epoch: signed.epoch, expires_at: 531 }],
    [5, true, INFOTAINMENT, { ...wrong, epoch: signed.epoch, expires_at: 505 }],
    [6, true, INFOTAINMENT, signed],
  ];
  const seen = steps.map(([, , domain, data]): [number, boolean] => {
    const identity = { signer_identity: { public_key: client.publicKey } };
    const signature_data = data ? { ...identity, HMAC_Personalized_data: data } : undefined;
    const bytes = car.receive(car.infotainment, { ...honest, to_destination: { domain }, signature_data });
    const answer = decodeRoutable(bytes);
    return [answer.signedMessageStatus?.signed_message_fault ?? 0, answer.session_info !== undefined];
  });
  assert.deepEqual(seen, steps.map(([fault, info]) => [fault, info]));
  assert.equal(car.honks, 1);
});

test("commands that the car cannot read or does not know", () => {
  const { car, client } = makeCar();
  assert.equal(client.send(INFOTAINMENT, Buffer.from([0xff, 0xff])).fault, 10);
  // Field 99 exists and is known by number; field 2000 does not exist.
  assert.equal(client.send(INFOTAINMENT, Buffer.from("12039a0600", "hex")).fault, 0);
  assert.equal(client.send(INFOTAINMENT, Buffer.from("1203827d00", "hex")).fault, 9);
  assert.deepEqual(car.executed.map(({ name }) => name), ["vehicle_action_99"]);
  const unreadable = decodeRoutable(car.handleSignedCommand(Buffer.from([0xff])));
  assert.equal(unreadable.signedMessageStatus?.signed_message_fault, 10);
  const nowhere = decodeRoutable(car.handleSignedCommand(encodeRoutable({ to_destination: { domain: 7 } })));
  assert.equal(nowhere.signedMessageStatus?.signed_message_fault, 13);
});

test("an authenticated command without a payload is accepted and does nothing", () => {
  const { car, client } = makeCar();
  for (const domain of [INFOTAINMENT, VCSEC]) {
    const empty = client.send(domain, Buffer.alloc(0));
    assert.deepEqual([empty.fault, empty.status, empty.encrypted], [0, 0, true]);
    assert.equal(empty.plaintext?.length, 0);
    // The counter is used.
    assert.equal(client.deliver(domain, client.lastBytes).fault, 6);
  }
  assert.deepEqual(car.executed, []);
  // It is verified like any other.
  const signed = decodeRoutable(client.sign(INFOTAINMENT, Buffer.alloc(0)));
  const added = { ...signed, protobuf_message_as_bytes: encode("Action", { vehicleAction: HONK }) };
  assert.equal(client.deliver(INFOTAINMENT, encodeRoutable(added)).fault, 5);
  car.pair(client.publicKey, "inactive");
  assert.equal(client.send(INFOTAINMENT, Buffer.alloc(0)).fault, 4);
  assert.equal(car.honks, 0);
});

test("a signer whose key is not the session's: 3 when the car does not know it, 5 when it does", () => {
  const { car, client } = makeCar();
  const payload = encode("Action", { vehicleAction: HONK });
  const other = newKeyPair().getPublicKey();
  const deliver = () => {
    const message = decodeRoutable(client.sign(INFOTAINMENT, payload));
    const signature_data = { ...message.signature_data, signer_identity: { public_key: other } };
    const answer = decodeRoutable(car.handleSignedCommand(encodeRoutable({ ...message, signature_data })));
    return [answer.signedMessageStatus?.signed_message_fault, answer.session_info !== undefined];
  };
  assert.deepEqual(deliver(), [3, false]);
  car.pair(other);
  assert.deepEqual(deliver(), [5, true]);
  assert.equal(car.honks, 0);
  assert.equal(client.action(HONK).fault, 0, "the client's own session is untouched");
});

test("every fault can be injected, with session info where a real car has it", () => {
  const { car, client } = makeCar();
  client.handshake(INFOTAINMENT);
  let injected = 0;
  for (let fault = 1; fault <= 28; fault++) {
    const honks = car.honks;
    car.injectFault(fault);
    const reply = client.action(HONK);
    assert.equal(reply.fault, fault);
    assert.equal(reply.status, 2);
    assert.equal(reply.info !== undefined, [5, 6, 15, 17, 20].includes(fault));
    assert.equal(car.honks - honks, fault === 25 ? 1 : 0, "only 25 is executed");
    injected++;
  }
  assert.equal(injected, 28);
  const ways: [FaultOptions, boolean, boolean][] = [
    [{ withSessionInfo: true }, true, false], [{ withSessionInfo: false }, false, false],
    [{ encrypted: true }, false, true],
  ];
  for (const [options, info, encrypted] of ways) {
    car.injectFault("BUSY", 1, options);
    const reply = client.action(HONK);
    assert.deepEqual([reply.fault, reply.info !== undefined, reply.encrypted], [1, info, encrypted]);
  }
  car.injectFault("internal", 2, { on: "handshake" });
  assert.equal(client.action(HONK).fault, 0);
  assert.equal(client.handshake(INFOTAINMENT).signedMessageStatus?.signed_message_fault, 11);
  car.clear();
  assert.equal(client.handshake(INFOTAINMENT).signedMessageStatus, undefined);
  assert.throws(() => car.injectFault("no such"), /no such fault/);
  car.answerWait();
  const waiting = client.action(HONK);
  assert.deepEqual([waiting.status, waiting.fault, waiting.encrypted], [1, 0, true]);
  assert.equal(client.action(HONK).status, 0);
});

test("old firmware answers in plaintext; a script replaces the answer; refusals have their words", () => {
  const { car, client } = makeCar();
  car.encryptsResponses = false;
  assert.equal(client.action(amps(9)).encrypted, false);
  car.encryptsResponses = true;
  assert.equal(client.action(amps(9), { flags: 0 }).encrypted, false);
  car.scripted.push({ payload: refusalPayload("word \u001b[2J") });
  assert.equal(client.verdict(amps(7)), "word \u001b[2J");
  assert.equal(car.amps, 7);
  car.refuse("", 2);
  assert.equal(client.verdict(amps(6)), "unspecified");
  assert.equal(client.verdict(amps(6)), "unspecified");
  assert.equal(client.verdict(amps(6)), "");
});

test("every tamper spoils exactly one answer of its kind, and the car is honest again", () => {
  let onHandshakes = 0;
  let onCommands = 0;
  for (const name of SimulatedCar.tamperNames()) {
    const on = TAMPERS[name]?.on ?? "command";
    if (on !== "command") onHandshakes += checkTamper(name, "handshake");
    if (on !== "session_info") onCommands += checkTamper(name, "command");
  }
  assert.deepEqual({ onHandshakes, onCommands }, { onHandshakes: 34, onCommands: 33 });
  assert.throws(() => makeCar().car.tamper("no such"), /no such tamper/);
});

function checkTamper(name: string, kind: "handshake" | "command"): number {
  const { car, client } = makeCar();
  car.moveClock(500);
  for (let count = 0; count < 9; count++) client.action(HONK);
  client.handshake(INFOTAINMENT);
  if (name === "fault_removed") car.injectFault("busy", 1, { on: kind });
  car.tamper(name);
  // Not spent on an answer of the other kind.
  if (TAMPERS[name]?.on === "session_info") assert.equal(client.action(HONK).fault, 0, name);
  if (TAMPERS[name]?.on === "command") client.handshake(INFOTAINMENT);
  const honks = car.honks;
  const bytes = kind === "handshake" ? client.handshakeBytes(INFOTAINMENT, randomBytes(16))
    : client.sign(INFOTAINMENT, encode("Action", { vehicleAction: HONK }));
  const answer = car.handleSignedCommand(bytes);
  assert.ok(isSpoiled(client, name, bytes, answer), `${name} on a ${kind} spoiled nothing`);
  const honked = kind === "command" && !["wait_status", "fault_removed"].includes(name);
  assert.equal(car.honks - honks, honked ? 1 : 0, name);
  assert.equal(client.handshake(INFOTAINMENT).signedMessageStatus, undefined, name);
  assert.equal(client.action(HONK).encrypted, true, name);
  return 1;
}

// What a strict client would call wrong, or at least not the plain success that the car meant.
function isSpoiled(client: Client, name: string, request: Buffer, answer: Buffer): boolean {
  if (answer.length === 0 || answer.length > 100_000) return true;
  const asked = decodeRoutable(request);
  let message: RoutableMessage;
  try {
    message = decodeRoutable(answer);
    if (name === "unknown_fields") return !encodeRoutable(message).equals(answer);
    const address = asked.from_destination?.routing_address;
    if (!message.to_destination?.routing_address?.equals(address ?? Buffer.alloc(0))) return true;
    if (message.from_destination?.domain !== INFOTAINMENT) return true;
    if (!message.request_uuid?.equals(asked.uuid ?? Buffer.alloc(0))) return true;
    if (message.session_info) return infoIsSpoiled(client, asked, message);
    if (message.signedMessageStatus || !message.signature_data) return true;
    return !opens(client, request, answer);
  } catch {
    return true;
  }
}

function opens(client: Client, request: Buffer, answer: Buffer): boolean {
  const echo = new Client({ handleSignedCommand: () => answer } as unknown as SimulatedCar);
  echo.keyPair = client.keyPair;
  echo.info = client.info;
  return echo.deliver(INFOTAINMENT, request).encrypted;
}

function infoIsSpoiled(client: Client, asked: RoutableMessage, message: RoutableMessage): boolean {
  const bytes = message.session_info ?? Buffer.alloc(0);
  const info = decode("SessionInfo", bytes) as SessionInfo;
  const tag = sessionInfoTag(client.key(info), VIN, asked.uuid ?? Buffer.alloc(0), bytes);
  if (!message.signature_data?.session_info_tag?.tag?.equals(tag)) return true;
  const known = client.info[INFOTAINMENT];
  const sameKey = known?.publicKey?.equals(info.publicKey ?? Buffer.alloc(0));
  const sameEpoch = known?.epoch?.equals(info.epoch ?? Buffer.alloc(0));
  const counter = client.counter[INFOTAINMENT];
  return !sameKey || !sameEpoch || info.clock_time !== known?.clock_time || info.counter !== counter
    || info.status !== undefined;
}
