// The simulated car's own behaviour that the scripts' tests rely on. What it makes of signatures, counters and
// clocks is held to Tesla's vectors (car_vectors.test.ts); its faults and tampers are used by test/signing.
import assert from "node:assert/strict";
import test from "node:test";
import { SimulatedCar } from "../simulator/car/car.ts";
import { carryOut } from "../simulator/car/payloads.ts";
import { INFOTAINMENT, VCSEC, decode, decodeRoutable, encode } from "../simulator/protocol/messages.ts";
import { encodeRoutable } from "../simulator/protocol/messages.ts";
import { VIN } from "../simulator/tesla/tesla.ts";
import { publicKey, type Anything } from "./simulator_client.ts";

const newCar = () => new SimulatedCar({ vin: VIN });

test("amps: clamped above, two calls needed below 5, the floor again after plugging in", () => {
  const car = newCar();
  const set = (charging_amps: number) => {
    car.execute("set_charging_amps", { charging_amps });
    return car.amps;
  };
  assert.equal(set(80), 16, "the most that the cable allows");
  assert.equal(set(3), 5, "the first call below 5");
  assert.equal(set(3), 3, "the second");
  assert.equal(car.chargeState().charger_actual_current, 3, "and that flows");
  car.unplug();
  car.plug();
  assert.equal(car.amps, 5, "a new cable");
  set(2);
  assert.equal(set(4), 5, "a second call counts only if it is the same");
  car.charging = false;
  assert.equal(set(4), 5, "and only while charging");
  assert.equal(set(0), 0, "zero");
  assert.equal(car.execute("set_charging_amps", { charging_amps: -1 }).reason, "invalid_value");
});

test("verdicts on charging in every state of the charger", () => {
  const car = newCar();
  const verdict = (name: string, change: Partial<SimulatedCar> = {}) =>
    Object.assign(car, change).execute(name).reason;
  assert.equal(verdict("charge_start"), "is_charging");
  assert.equal(verdict("charge_start", { hasPower: false }), "no_power");
  assert.equal(verdict("charge_start", { hasPower: true, batteryLevel: 80 }), "complete");
  car.unplug();
  assert.equal(verdict("charge_start"), "disconnected");
  assert.equal(verdict("charge_stop"), "not_charging");
  assert.equal(verdict("charge_port_door_close"), "already closed");
  assert.equal(verdict("no_such_command"), "not_supported");
  assert.deepEqual(car.executed, [], "nothing is done");
  const names = "activate clear_pin_admin deactivate enable_setting set_speed_limit".split(" ");
  for (const name of ["keep_accessory_power_mode", ...names.map((name) => `parental_controls_${name}`)]) {
    assert.deepEqual(car.execute(name), { result: true, reason: "" }, name);
  }
});

test("since firmware 2024.26 each set_scheduled_… adds a schedule", () => {
  const car = newCar();
  car.execute("set_scheduled_charging", { enable: true, time: 75 });
  car.execute("set_scheduled_charging", { enable: false });
  car.execute("set_scheduled_departure", {
    enable: true,
    departure_time: 480,
    preconditioning_enabled: true,
  });
  const charging = [...car.chargeSchedules.values()].map((one) => [
    one.enabled,
    one.start_time,
    one.end_time,
  ]);
  const wanted = [
    [true, 75, undefined],
    [false, 0, undefined],
    [true, undefined, 480],
  ];
  assert.deepEqual(charging, wanted, "charging: whether it is on, start, end");
  const warming = [...car.preconditionSchedules.values()].map((one) => one.precondition_time);
  assert.deepEqual(warming, [480], "preconditioning");
});

test("an epoch ends with its last counter, or after a year; VCSEC takes no late counter", () => {
  let now = Date.parse("2026-01-01");
  const { infotainment, vcsec } = new SimulatedCar({ vin: VIN, now: () => now });
  const key = Buffer.alloc(65, 4);
  const used = [40, 8, 8, 7, 39, 39].map((counter) => infotainment.useCounter(key, counter));
  assert.deepEqual(used, [true, true, false, false, true, false], "infotainment: a window of 32, each once");
  const late = [5, 4, 6].map((counter) => vcsec.useCounter(key, counter));
  assert.deepEqual(late, [true, false, true], "VCSEC");
  const endsNow = (computer: typeof vcsec) => {
    const before = computer.epoch;
    computer.endEpochIfOver();
    return !computer.epoch.equals(before);
  };
  assert.equal(endsNow(infotainment), false, "in the middle");
  infotainment.useCounter(key, 0xffffffff);
  assert.equal(endsNow(infotainment), true, "the last counter");
  now += 365 * 24 * 3600 * 1000;
  assert.equal(endsNow(vcsec), false, "a year to the second");
  now += 1000;
  assert.equal(endsNow(vcsec), true, "a second more");
});

/** What the car answers to a message that nobody has signed. */
function ask(car: SimulatedCar, domain: number, type: string, content: object) {
  const message = { to_destination: { domain }, protobuf_message_as_bytes: encode(type, content) };
  const answer = decodeRoutable(car.handleSignedCommand(encodeRoutable(message)));
  const payload = answer.protobuf_message_as_bytes ?? Buffer.alloc(0);
  const said: Anything = decode("FromVCSECMessage", payload);
  return { fault: answer.signedMessageStatus?.signed_message_fault, ...said };
}

test("anybody may ask the security computer for its state and its keys; nobody may order unsigned", () => {
  const car = newCar();
  car.pair(publicKey, "driver");
  const question = (fields: object) => ask(car, VCSEC, "UnsignedMessage", { InformationRequest: fields });
  assert.ok(question({}).vehicleStatus, "the state");
  const { whitelistInfo } = question({ informationRequestType: 5 });
  assert.deepEqual([whitelistInfo.numberOfEntries, whitelistInfo.slotMask], [1, 1], "the list of keys");
  const { whitelistEntryInfo: entry } = question({ informationRequestType: 6, slot: 0 });
  assert.deepEqual([entry.keyRole, entry.publicKey.PublicKeyRaw.length], [3, 65], "one key");
  assert.deepEqual(entry.keyId, whitelistInfo.whitelistEntries[0], "the same in the list");
  const none = question({ informationRequestType: 6, slot: 9 });
  assert.equal(none.commandStatus.operationStatus, 2, "a slot without a key");
  const done = car.executed.length;
  assert.equal(ask(car, VCSEC, "UnsignedMessage", { RKEAction: 0 }).fault, 13, "unlock");
  assert.equal(ask(car, INFOTAINMENT, "Action", { vehicleAction: { ping: {} } }).fault, 13, "ping");
  assert.equal(car.executed.length, done, "nothing is done");
});

test("get_vehicle_data answers climate, drive, closures and location too", () => {
  const params = { getClimateState: {}, getDriveState: {}, getClosuresState: {}, getLocationState: {} };
  const payload = carryOut(newCar(), INFOTAINMENT, { name: "get_vehicle_data", params });
  const { vehicleData } = decode("Response", payload) as { vehicleData: Anything };
  const wanted = ["climate_state", "drive_state", "location_state", "closures_state"];
  assert.deepEqual(Object.keys(vehicleData), wanted, "what was asked for");
  assert.equal(vehicleData.climate_state.driver_temp_setting, 21, "climate");
  assert.equal(vehicleData.drive_state.odometer_in_hundredths_of_a_mile, 1234560, "drive");
  assert.equal(vehicleData.location_state.heading, 90, "location");
  assert.equal(vehicleData.closures_state.locked, true, "closures");
});
