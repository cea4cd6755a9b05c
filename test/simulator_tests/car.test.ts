// The simulated car's own behaviour that the scripts' tests rely on. What it makes of signatures, counters and
// clocks is held to Tesla's vectors (car_vectors.test.ts); its faults and tampers are used by test/signing.
import assert from "node:assert/strict";
import test from "node:test";
import { SimulatedCar } from "../simulator/car/car.ts";
import { TAMPERS } from "../simulator/car/tampers.ts";
import {
  INFOTAINMENT,
  VCSEC,
  decodeRoutable,
  encode,
  encodeRoutable,
} from "../simulator/protocol/messages.ts";
import { VIN } from "../simulator/tesla/tesla.ts";

const newCar = () => new SimulatedCar({ vin: VIN });

test("amps: clamped above, two calls needed below 5, the floor again after plugging in", () => {
  const car = newCar();
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
  const car = newCar();
  const start = () => car.execute("charge_start").reason;
  assert.equal(start(), "is_charging");
  car.charging = false;
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

test("an epoch ends with its last counter; VCSEC takes no late one", () => {
  const { infotainment, vcsec } = newCar();
  const [key, epoch] = [Buffer.alloc(65, 4), infotainment.epoch];
  assert.deepEqual(
    [40, 8, 8, 7, 39, 39].map((counter) => infotainment.useCounter(key, counter)),
    [true, true, false, false, true, false],
  );
  assert.deepEqual(
    [5, 4, 6].map((counter) => vcsec.useCounter(key, counter)),
    [true, false, true],
  );
  infotainment.useCounter(key, 0xffffffff);
  infotainment.endEpochIfOver();
  assert.notDeepEqual(infotainment.epoch, epoch);
});

test("a question that nobody may ask, and an order that nobody has signed", () => {
  const car = newCar();
  const faultOf = (domain: number, payload: Buffer) => {
    const bytes = encodeRoutable({ to_destination: { domain }, protobuf_message_as_bytes: payload });
    return decodeRoutable(car.handleSignedCommand(bytes)).signedMessageStatus?.signed_message_fault;
  };
  assert.equal(faultOf(VCSEC, encode("UnsignedMessage", { InformationRequest: {} })), undefined);
  assert.equal(faultOf(VCSEC, encode("UnsignedMessage", { RKEAction: 0 })), 13);
  assert.equal(faultOf(INFOTAINMENT, encode("Action", { vehicleAction: { ping: {} } })), 13);
  assert.deepEqual(
    car.executed.map(({ name }) => name),
    ["get_status"],
  );
});

test("what is switched on is used up, and clear() ends it", () => {
  const car = newCar();
  assert.throws(() => car.injectFault("no such"), /no such fault/);
  assert.throws(() => car.tamper("no_such"), /no such tamper/);
  assert.deepEqual(SimulatedCar.tamperNames(), [...Object.keys(TAMPERS), "wait_status"]);
  const ask = () => {
    const bytes = encodeRoutable({
      to_destination: { domain: VCSEC },
      protobuf_message_as_bytes: Buffer.from([10, 0]),
    });
    return car.handleSignedCommand(bytes);
  };
  const honest = ask();
  car.injectFault("busy");
  assert.equal(decodeRoutable(ask()).signedMessageStatus?.signed_message_fault, 1);
  car.tamper("empty");
  assert.equal(ask().length, 0);
  assert.deepEqual(ask(), honest);
  car.injectFault(3, 5);
  car.tamper("garbage", 5);
  car.clear();
  assert.deepEqual(ask(), honest);
});
