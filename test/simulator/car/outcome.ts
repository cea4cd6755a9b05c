// Carries out a command that the car has accepted, and words the payload of the answer.

import { createHash } from "node:crypto";
import { INFOTAINMENT, encode, enumValues } from "../protocol/protocol.ts";
import type { Verdict } from "./body.ts";
import type { Command } from "./read_command.ts";
import type { SecuredCar } from "./secured_car.ts";
import type { Parameters } from "./state.ts";

// Either the payload of the answer or a fault of the protocol.
export interface Outcome { payload?: Buffer; fault?: number }

export function perform(car: SecuredCar, domain: number, command: Command): Outcome {
  const { name, params, refusal } = command;
  const verdict = refusal === undefined ? car.execute(name, params) : { result: false, reason: refusal };
  if (domain === INFOTAINMENT) return infotainmentAnswer(car, command, verdict);
  return securityAnswer(car, command, verdict);
}

export function infotainmentAnswer(car: SecuredCar, command: Command, verdict: Verdict): Outcome {
  const actionStatus = verdict.result ? {} : actionError(verdict.reason);
  if (!verdict.result) return { payload: encode("Response", { actionStatus }) };
  if (command.name === "ping") return { payload: encode("Response", { actionStatus, ping: command.params }) };
  if (command.name === "get_vehicle_data") {
    const vehicleData: { [block: string]: object } = {};
    for (const [asked, [name, fields]] of Object.entries(BLOCKS)) {
      if (command.params[asked]) vehicleData[name] = fields(car);
    }
    if (Object.keys(vehicleData).length === 0) return { payload: encode("Response", { actionStatus }) };
    return { payload: encode("Response", { actionStatus, vehicleData }) };
  }
  return { payload: encode("Response", { actionStatus }) };
}

// An empty reason is left out: that is the car's "unspecified error".
export function actionError(reason: string): object {
  return reason === "" ? { result: 1 } : { result: 1, result_reason: { plain_text: reason } };
}

function securityAnswer(car: SecuredCar, command: Command, verdict: Verdict): Outcome {
  if (!verdict.result) {
    const nominalError = { genericError: genericError(verdict.reason) };
    return { payload: encode("FromVCSECMessage", { nominalError }) };
  }
  if (command.name === "get_whitelist_info") return { payload: keyList(car) };
  if (command.name === "get_whitelist_entry_info") return keyEntry(car, command.params);
  if (command.name !== "get_status") return { payload: Buffer.alloc(0) };
  const lockState = car.locked ? 1 : 0;
  const vehicleStatus = { vehicleLockState: lockState, vehicleSleepStatus: car.awake ? 1 : 2 };
  return { payload: encode("FromVCSECMessage", { vehicleStatus }) };
}

// The first four bytes of its SHA-1 name a key.
function keyId(hex: string): object {
  const publicKeySHA1 = createHash("sha1").update(Buffer.from(hex, "hex")).digest().subarray(0, 4);
  return { publicKeySHA1 };
}

function keyList(car: SecuredCar): Buffer {
  const keys = [...car.pairedKeys.keys()];
  const whitelistInfo = {
    numberOfEntries: keys.length, whitelistEntries: keys.map(keyId), slotMask: 2 ** keys.length - 1,
  };
  return encode("FromVCSECMessage", { whitelistInfo });
}

const KEY_ROLES = { owner: 2, driver: 3, charging_manager: 6, inactive: 0 };
const CLOUD_KEY = 9; // its form factor

function keyEntry(car: SecuredCar, asked: Parameters): Outcome {
  const keys = [...car.pairedKeys];
  const slot = typeof asked.slot === "number" ? asked.slot : keys.findIndex(([hex]) => {
    const wanted = asked.keyId as { publicKeySHA1?: Buffer } | undefined;
    const id = keyId(hex) as { publicKeySHA1: Buffer };
    const named = wanted?.publicKeySHA1 && Buffer.compare(wanted.publicKeySHA1, id.publicKeySHA1) === 0;
    return named || (Buffer.isBuffer(asked.publicKey) && asked.publicKey.toString("hex") === hex);
  });
  const found = keys[slot];
  if (found === undefined) {
    const whitelistOperationStatus = { whitelistOperationInformation: 8, operationStatus: 2 }; // no such key
    return { payload: encode("FromVCSECMessage", { commandStatus: { operationStatus: 2, whitelistOperationStatus } }) };
  }
  const [hex, { role }] = found;
  const whitelistEntryInfo = {
    keyId: keyId(hex),
    publicKey: { PublicKeyRaw: Buffer.from(hex, "hex") },
    metadataForKey: { keyFormFactor: CLOUD_KEY },
    slot,
    keyRole: KEY_ROLES[role],
  };
  return { payload: encode("FromVCSECMessage", { whitelistEntryInfo }) };
}

/** How VCSEC puts off ("wait") or refuses a command, with the number of its reason. */
export function securityStatus(status: string, counter: number): Buffer {
  if (status === "wait") return encode("FromVCSECMessage", { commandStatus: { operationStatus: 1 } });
  const signedMessageStatus = { counter, signedMessageInformation: Number(status) };
  return encode("FromVCSECMessage", { commandStatus: { operationStatus: 2, signedMessageStatus } });
}

// VCSEC has no words for its refusals: a reason that is one of its names, or else "unknown".
function genericError(reason: string): number {
  return enumValues("GenericError_E")[`GENERICERROR_${reason.toUpperCase()}`] ?? 1;
}

function timeOf(car: SecuredCar) {
  const now = car.now();
  return { seconds: String(Math.floor(now / 1000)), nanos: (now % 1000) * 1e6 };
}

// What get_vehicle_data asks for; its place in the answer; what it says. The others are not answered.
const BLOCKS: { [asked: string]: [name: string, fields: (car: SecuredCar) => object] } = {
  getChargeState: ["charge_state", chargeStateFields],
  getClimateState: ["climate_state", (car) => ({
    inside_temp_celsius: car.insideTemp,
    outside_temp_celsius: car.outsideTemp,
    driver_temp_setting: car.driverTemp,
    passenger_temp_setting: car.passengerTemp,
    fan_status: car.climateOn ? 3 : 0,
    is_climate_on: car.climateOn,
    is_auto_conditioning_on: car.climateOn,
    timestamp: timeOf(car),
  })],
  getDriveState: ["drive_state", (car) => ({
    power: 0, odometer_in_hundredths_of_a_mile: Math.round(car.odometer * 100), timestamp: timeOf(car),
  })],
  getClosuresState: ["closures_state", (car) => {
    const doors = ["driver_front", "driver_rear", "passenger_front", "passenger_rear"];
    const closed = [...doors, "trunk_front", "trunk_rear"].map((one) => [`door_open_${one}`, false]);
    const up = doors.map((one) => [`window_open_${one}`, false]);
    return { ...Object.fromEntries([...closed, ...up]), locked: car.locked, timestamp: timeOf(car) };
  }],
  getLocationState: ["location_state", (car) => {
    const { latitude, longitude, heading } = car.place;
    return { latitude, longitude, heading, gps_as_of: timeOf(car).seconds, timestamp: timeOf(car) };
  }],
};

function chargeStateFields(car: SecuredCar): object {
  const state = car.chargeState();
  return {
    charging_state: { [state.charging_state]: {} },
    timestamp: timeOf(car),
    charge_limit_soc: state.charge_limit_soc,
    charge_limit_soc_std: state.charge_limit_soc_std,
    charge_limit_soc_min: state.charge_limit_soc_min,
    charge_limit_soc_max: state.charge_limit_soc_max,
    battery_range: state.battery_range,
    battery_level: state.battery_level,
    usable_battery_level: state.usable_battery_level,
    charge_energy_added: state.charge_energy_added,
    charger_voltage: state.charger_voltage,
    charger_pilot_current: state.charger_pilot_current,
    charger_actual_current: state.charger_actual_current,
    charger_power: state.charger_power,
    minutes_to_full_charge: state.minutes_to_full_charge,
    charge_port_door_open: state.charge_port_door_open,
    scheduled_charging_pending: state.scheduled_charging_pending,
    charge_enable_request: state.charge_enable_request,
    charger_phases: state.charger_phases ?? undefined,
    charge_current_request: state.charge_current_request,
    charge_current_request_max: state.charge_current_request_max,
    charging_amps: state.charge_amps,
  };
}
