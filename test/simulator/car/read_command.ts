// Reads the payload of a signed command and names the command as Tesla's REST documentation does. It needs no
// key: the payload of a command that comes over Fleet API is not encrypted.
import { INFOTAINMENT, decode, faultNumber, fieldName, rawFields } from "../protocol/messages.ts";
import type { Parameters } from "./state.ts";

export interface Command {
  name: string;
  params: Parameters;
  refusal?: string; // why it is refused whatever the car's state is
}

// Members of VehicleAction that exist but are not defined in messages.proto: executed and logged by number.
const OTHER_ACTIONS = new Set(
  `7 8 9 12 13 14 15 16 17 18 19 20 23 25 28 29 30 31 32 33 34 35 36 44 48 49 50 65 66 72 77 78 79 89 99 100 107
  109 110 111 112 113`
    .split(/\s+/)
    .map(Number),
);

/** A fault number when the payload is not a command that this computer knows. */
export function readCommand(domain: number, payload: Buffer): Command | number {
  try {
    const command = domain === INFOTAINMENT ? readAction(payload) : readSecurityMessage(payload);
    return command ?? faultNumber("invalid_command");
  } catch {
    return faultNumber("decoding");
  }
}

// ---- Infotainment ----

// biome-ignore format: table
const START_STOP: Record<string, string> = { start: "charge_start", stop: "charge_stop",
  start_standard: "charge_standard", start_max_range: "charge_max_range" };

// Each member of VehicleAction in messages.proto: the name, and its parameters where they are named otherwise.
type Reading = string | ((fields: Parameters) => [name: string | undefined, params: Parameters]);
const ACTIONS: Record<string, Reading> = {
  setChargingAmpsAction: ({ charging_amps = 0 }) => ["set_charging_amps", { charging_amps }],
  chargingSetLimitAction: ({ percent = 0 }) => ["set_charge_limit", { percent }],
  chargingStartStopAction: (fields) => [START_STOP[Object.keys(fields).at(-1) ?? ""], {}],
  hvacAutoAction: ({ power_on }) => [power_on ? "auto_conditioning_start" : "auto_conditioning_stop", {}],
  vehicleControlFlashLightsAction: "flash_lights",
  vehicleControlHonkHornAction: "honk_horn",
  chargePortDoorOpen: "charge_port_door_open",
  chargePortDoorClose: "charge_port_door_close",
  scheduledChargingAction: ({ enabled, charging_time: time = 0 }) => [
    "set_scheduled_charging",
    { enable: enabled === true, time },
  ],
  scheduledDepartureAction: "set_scheduled_departure",
  setVehicleNameAction: ({ vehicleName = "" }) => ["set_vehicle_name", { vehicle_name: vehicleName }],
  addChargeScheduleAction: ({ latitude: lat = 0, longitude: lon = 0, ...others }) => [
    "add_charge_schedule",
    { ...others, lat, lon },
  ],
  removeChargeScheduleAction: ({ id = "0" }) => ["remove_charge_schedule", { id }],
  batchRemoveChargeSchedulesAction: "batch_remove_charge_schedules",
  ping: "ping",
  getVehicleData: "get_vehicle_data",
  setLowPowerModeAction: "set_low_power_mode",
  setKeepAccessoryPowerModeAction: "keep_accessory_power_mode",
};

function readAction(payload: Buffer): Command | undefined {
  const action = decode("Action", payload) as { vehicleAction?: { [member: string]: Parameters } };
  const inner = rawFields(payload).get(2);
  if (!action.vehicleAction || !Buffer.isBuffer(inner)) return undefined;
  const [number, bytes] = [...rawFields(inner)].at(-1) ?? [0, Buffer.alloc(0)];
  const member = fieldName("VehicleAction", number);
  const content = Buffer.isBuffer(bytes) ? bytes : Buffer.alloc(0);
  if (!inRange(number, content)) {
    return { name: member ?? `vehicle_action_${number}`, params: {}, refusal: "invalid_value" };
  }
  if (member === undefined) {
    if (!OTHER_ACTIONS.has(number)) return undefined;
    return { name: `vehicle_action_${number}`, params: { bytes: content.toString("hex") } };
  }
  const fields = action.vehicleAction[member] ?? {};
  const reading = ACTIONS[member];
  const [name, params] = typeof reading === "function" ? reading(fields) : [reading, fields];
  return name === undefined ? undefined : { name, params };
}

// ---- VCSEC ----

// biome-ignore format: table
const KEY_FOB: Record<number, string> = { 0: "door_unlock", 1: "door_lock", 20: "remote_start_drive",
  29: "auto_secure_vehicle", 30: "wake_vehicle" };
const QUESTIONS = { 0: "get_status", 5: "get_whitelist_info", 6: "get_whitelist_entry_info" };

function readSecurityMessage(payload: Buffer): Command | number | undefined {
  const message = decode("UnsignedMessage", payload) as {
    InformationRequest?: { informationRequestType?: number; [key: string]: unknown };
    RKEAction?: number;
    closureMoveRequest?: Record<string, number>;
    WhitelistOperation?: object;
  };
  if (message.RKEAction !== undefined) {
    const name = KEY_FOB[message.RKEAction];
    return name === undefined ? undefined : { name, params: {} };
  }
  if (message.closureMoveRequest) return closureCommand(message.closureMoveRequest);
  if (message.InformationRequest) {
    const { informationRequestType = 0, ...params } = message.InformationRequest;
    const name = QUESTIONS[informationRequestType as keyof typeof QUESTIONS] as string | undefined;
    return name === undefined ? faultNumber("insufficient_privileges") : { name, params };
  }
  return message.WhitelistOperation ? faultNumber("insufficient_privileges") : undefined;
}

const TRUNKS: Record<string, string> = { rearTrunk: "rear", frontTrunk: "front" };
const TONNEAU: Record<number, string> = { 2: "stop_tonneau", 3: "open_tonneau", 4: "close_tonneau" };

function closureCommand(moves: Record<string, number>): Command {
  const entries = Object.entries(moves).filter(([, move]) => move !== 0);
  const [closure, move] = (entries.length === 1 && entries[0]) || ["", 0];
  const trunk = move === 1 ? TRUNKS[closure] : undefined;
  if (trunk) return { name: "actuate_trunk", params: { which_trunk: trunk } };
  const name = closure === "tonneau" ? TONNEAU[move] : undefined;
  return name ? { name, params: {} } : { name: "closure_move", params: moves };
}

// ---- Ranges ----

// Which values the car takes: the ranges of Tesla's documentation, by the number of the member. What is
// outside is refused as "invalid_value". A real car's words are not known, nor whether it refuses at all: of
// set_charge_limit owners report that it takes the nearest value, and the simulated car does so there, as it
// does with amps above the cable's. A rule: path of field numbers inside the member; kind; from; to; whether
// it must be there (absent means zero).
type Kind = "number" | "whole" | "pin" | "field";
type Rule = [path: number[], kind: Kind, from: number, to: number, needed?: true];
const MINUTES: [Kind, number, number] = ["whole", 0, 1439];
// biome-ignore format: table
const RULES: Record<number, Rule[]> = {
  7: [[[1], "pin", 4, 4, true]], 8: [[[1], "number", 50, 120, true]], 9: [[[2], "pin", 4, 4, true]],
  14: [[[6], "number", 15, 28], [[7], "number", 15, 28]], 16: [[[3], "number", 0, 11]],
  29: [[[1], "whole", 0, 2 ** 31 - 1]], 31: [[[2], "pin", 4, 4]],
  33: [[[1, 1], "number", -90, 90], [[1, 2], "number", -180, 180]],
  36: [[[1], "field", 2, 5, true], [[1], "field", 7, 15, true]], // a level, and a seat: empty messages
  41: [[[2], ...MINUTES]], 42: [[[2], ...MINUTES], [[5], ...MINUTES]], 44: [[[1], "whole", 0, 3]],
  48: [[[1, 2], "whole", 1, 2, true]], 49: [[[1, 1], "whole", 1, 4, true], [[1, 2], "whole", 1, 2, true]],
  66: [[[1], "whole", 0, 3]], 77: [[[2], "pin", 4, 4]],
  97: [[[3], "whole", 0, 127], [[5], ...MINUTES], [[7], ...MINUTES], [[10], "number", -90, 90],
    [[11], "number", -180, 180]],
  99: [[[3], "whole", 0, 127], [[4], ...MINUTES], [[7], "number", -90, 90], [[8], "number", -180, 180]],
  111: [[[2], "pin", 4, 4, true]], 112: [[[1], "whole", 0, 6]], 113: [[[1], "number", 50, 120, true]],
};

/** Whether the car takes every value of this member of VehicleAction. Throws on what is no message. */
function inRange(member: number, bytes: Buffer): boolean {
  return (RULES[member] ?? []).every((rule) => keeps(rawFields(bytes), rule));
}

function keeps(message: Map<number, number | Buffer>, [path, kind, from, to, needed]: Rule): boolean {
  const [number = 0, ...rest] = path;
  const value = message.get(number);
  if (rest.length > 0 || kind === "field") {
    if (!Buffer.isBuffer(value)) return needed !== true;
    const inner = rawFields(value);
    if (rest.length > 0) return keeps(inner, [rest, kind, from, to, needed]);
    return [...inner.keys()].some((field) => field >= from && field <= to);
  }
  if (value === undefined && needed !== true) return true;
  if (kind === "pin") return Buffer.isBuffer(value) && /^[0-9]{4}$/.test(value.toString("utf8"));
  return !Buffer.isBuffer(value) && (value ?? 0) >= from && (value ?? 0) <= to;
}
