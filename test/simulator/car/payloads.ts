// Carries out a command that the car has accepted, and words the payload of the answer.
import { createHash } from "node:crypto";
import { INFOTAINMENT, encode, enumValues } from "../protocol/messages.ts";
import { FIXED } from "../tesla/tesla.ts";
import type { SimulatedCar } from "./car.ts";
import type { Command } from "./read_command.ts";
import type { CarState, Parameters } from "./state.ts";

export function carryOut(car: SimulatedCar, domain: number, command: Command): Buffer {
  const { name, params, refusal } = command;
  const { result, reason } =
    refusal === undefined ? car.execute(name, params) : { result: false, reason: refusal };
  if (domain === INFOTAINMENT) {
    return result
      ? encode("Response", { actionStatus: {}, ...content(car, command) })
      : refusalPayload(reason);
  }
  if (result) return securityAnswer(car, command);
  // VCSEC has no words for its refusals: a reason that is one of its names, or else "unknown".
  const genericError = enumValues("GenericError_E")[`GENERICERROR_${reason.toUpperCase()}`] ?? 1;
  return encode("FromVCSECMessage", { nominalError: { genericError } });
}

/** An infotainment command that the car refused in these words; without any it is "unspecified error". */
export function refusalPayload(reason: string): Buffer {
  const why = reason === "" ? {} : { result_reason: { plain_text: reason } };
  return encode("Response", { actionStatus: { result: 1, ...why } });
}

function content(car: CarState, { name, params }: Command): object {
  if (name === "ping") return { ping: params };
  if (name !== "get_vehicle_data") return {};
  const asked = Object.entries(BLOCKS).filter(([request]) => params[request]);
  if (asked.length === 0) return {};
  const blocks = asked.map(([, [block, fields]]) => [block, { ...fields(car), timestamp: timestamp(car) }]);
  return { vehicleData: Object.fromEntries(blocks) };
}

const ODOMETER = Math.round(Number(FIXED.vehicle_state?.odometer) * 100);
const DOORS = "driver_front driver_rear passenger_front passenger_rear trunk_front trunk_rear".split(" ");
const ALL_CLOSED = Object.fromEntries(DOORS.map((door) => [`door_open_${door}`, false]));

// What get_vehicle_data asks for; its name in the answer; what it says. The others are not answered.
const BLOCKS: Record<string, [block: string, fields: (car: CarState) => object]> = {
  getChargeState: ["charge_state", chargeStateFields],
  getClimateState: ["climate_state", climateFields],
  getDriveState: ["drive_state", () => ({ power: 0, odometer_in_hundredths_of_a_mile: ODOMETER })],
  getLocationState: ["location_state", (car) => ({ ...FIXED.place, gps_as_of: timestamp(car).seconds })],
  getClosuresState: ["closures_state", (car) => ({ ...ALL_CLOSED, locked: car.locked })],
};

function timestamp(car: CarState) {
  const now = car.now();
  return { seconds: String(Math.floor(now / 1000)), nanos: (now % 1000) * 1e6 };
}

/** messages.proto has fewer fields than vehicle_data; what it does not know is left out. */
function chargeStateFields(car: CarState): object {
  const { charging_state, charge_amps, charger_phases, ...others } = car.chargeState();
  return {
    ...others,
    charging_state: { [charging_state]: {} },
    charger_phases: charger_phases ?? undefined,
    charging_amps: charge_amps,
  };
}

function climateFields(car: CarState): object {
  const { inside_temp, outside_temp } = { ...FIXED.climate_state };
  const measured = { inside_temp_celsius: inside_temp, outside_temp_celsius: outside_temp };
  return { ...measured, ...car.climateState() };
}

// ---- VCSEC ----

function securityAnswer(car: SimulatedCar, { name, params }: Command): Buffer {
  if (name === "get_whitelist_info") return keyList(car);
  if (name === "get_whitelist_entry_info") return keyEntry(car, params);
  if (name !== "get_status") return Buffer.alloc(0);
  const vehicleStatus = { vehicleLockState: car.locked ? 1 : 0, vehicleSleepStatus: car.awake ? 1 : 2 };
  return encode("FromVCSECMessage", { vehicleStatus });
}

/** How VCSEC puts off ("wait") or refuses a command, with the number of its reason. */
export function securityStatus(status: string, counter: number): Buffer {
  if (status === "wait") return encode("FromVCSECMessage", { commandStatus: { operationStatus: 1 } });
  const signedMessageStatus = { counter, signedMessageInformation: Number(status) };
  return encode("FromVCSECMessage", { commandStatus: { operationStatus: 2, signedMessageStatus } });
}

/** The first four bytes of its SHA-1 name a key. */
function keyId(hex: string) {
  return { publicKeySHA1: createHash("sha1").update(Buffer.from(hex, "hex")).digest().subarray(0, 4) };
}

function keyList(car: SimulatedCar): Buffer {
  const whitelistEntries = [...car.pairedKeys.keys()].map(keyId);
  const numberOfEntries = whitelistEntries.length;
  const whitelistInfo = { numberOfEntries, whitelistEntries, slotMask: 2 ** numberOfEntries - 1 };
  return encode("FromVCSECMessage", { whitelistInfo });
}

const KEY_ROLES = { owner: 2, driver: 3, inactive: 0 };
const NO_SUCH_KEY = { operationStatus: 2, whitelistOperationStatus: { whitelistOperationInformation: 8 } };

/** Asked for by its slot, as tesla-control does. */
function keyEntry(car: SimulatedCar, { slot }: Parameters): Buffer {
  const found = [...car.pairedKeys][Number(slot ?? 0)];
  if (found === undefined) return encode("FromVCSECMessage", { commandStatus: NO_SUCH_KEY });
  const [hex, { role }] = found;
  const whitelistEntryInfo = {
    keyId: keyId(hex),
    publicKey: { PublicKeyRaw: Buffer.from(hex, "hex") },
    metadataForKey: { keyFormFactor: 9 }, // a cloud key, as all are here
    slot,
    keyRole: KEY_ROLES[role],
  };
  return encode("FromVCSECMessage", { whitelistEntryInfo });
}
