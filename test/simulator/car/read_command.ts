// Reads the payload of a signed command and names the command as Tesla's REST documentation does. It needs no
// key: the payload of a command that comes over Fleet API is not encrypted.

import {
  INFOTAINMENT, decode, faultNumber, fieldName, fieldNumbers, memberBytes,
} from "../protocol/protocol.ts";
import { inRange } from "./ranges.ts";
import type { Parameters } from "./state.ts";

// VehicleAction members that exist but are not defined in car_server.proto: executed and logged by number.
const OTHER_ACTIONS = new Set([
  7, 8, 9, 12, 13, 14, 15, 16, 17, 18, 19, 20, 23, 25, 28, 29, 30, 31, 32, 33, 34, 35, 36, 44, 48, 49, 50,
  65, 66, 72, 77, 78, 79, 89, 99, 100, 107, 109, 110, 111, 112, 113,
]);
// What VCSEC tells anybody.
const QUESTIONS: { [type: number]: string } = {
  0: "get_status", 5: "get_whitelist_info", 6: "get_whitelist_entry_info",
};
// What a key may do whose role is only to manage charging.
const CHARGING = /^(set_charging_amps|charge_|set_charge_limit|set_scheduled_charging|.*_charge_schedules?$)/;

export interface Command {
  name: string;
  params: Parameters;
  refusal?: string; // why it is refused whatever the car's state is
}

// A fault number when the payload is not a command that this computer knows.
export function readCommand(domain: number, payload: Buffer): Command | number {
  try {
    return domain === INFOTAINMENT ? readAction(payload) : readSecurityMessage(payload);
  } catch {
    return faultNumber("decoding");
  }
}

function readAction(payload: Buffer): Command | number {
  const action = decode("Action", payload) as { vehicleAction?: { [member: string]: Parameters } };
  if (!action.vehicleAction) return faultNumber("invalid_command");
  const inner = memberBytes(payload, 2);
  const number = fieldNumbers(inner).at(-1) ?? 0;
  const member = fieldName("VehicleAction", number);
  if (!inRange(number, memberBytes(inner, number))) {
    return { name: member ?? `vehicle_action_${number}`, params: {}, refusal: "invalid_value" };
  }
  if (member) return vehicleCommand(member, action.vehicleAction[member] ?? {});
  if (!OTHER_ACTIONS.has(number)) return faultNumber("invalid_command");
  return { name: `vehicle_action_${number}`, params: { bytes: memberBytes(inner, number).toString("hex") } };
}

function vehicleCommand(member: string, fields: Parameters): Command | number {
  switch (member) {
    case "setChargingAmpsAction":
      return { name: "set_charging_amps", params: { charging_amps: fields.charging_amps ?? 0 } };
    case "chargingSetLimitAction":
      return { name: "set_charge_limit", params: { percent: fields.percent ?? 0 } };
    case "chargingStartStopAction": {
      const names: { [member: string]: string } = {
        start: "charge_start",
        stop: "charge_stop",
        start_standard: "charge_standard",
        start_max_range: "charge_max_range",
      };
      const name = names[Object.keys(fields).at(-1) ?? ""];
      return name ? { name, params: {} } : faultNumber("invalid_command");
    }
    case "hvacAutoAction":
      return { name: fields.power_on ? "auto_conditioning_start" : "auto_conditioning_stop", params: {} };
    case "vehicleControlFlashLightsAction": return { name: "flash_lights", params: {} };
    case "vehicleControlHonkHornAction": return { name: "honk_horn", params: {} };
    case "chargePortDoorOpen": return { name: "charge_port_door_open", params: {} };
    case "chargePortDoorClose": return { name: "charge_port_door_close", params: {} };
    case "scheduledChargingAction": {
      const params = { enable: fields.enabled === true, time: fields.charging_time ?? 0 };
      return { name: "set_scheduled_charging", params };
    }
    case "scheduledDepartureAction": return { name: "set_scheduled_departure", params: fields };
    case "setVehicleNameAction":
      return { name: "set_vehicle_name", params: { vehicle_name: fields.vehicleName ?? "" } };
    case "addChargeScheduleAction": {
      const { latitude, longitude, ...others } = fields;
      return { name: "add_charge_schedule", params: { ...others, lat: latitude ?? 0, lon: longitude ?? 0 } };
    }
    case "removeChargeScheduleAction":
      return { name: "remove_charge_schedule", params: { id: fields.id ?? "0" } };
    case "batchRemoveChargeSchedulesAction": return { name: "batch_remove_charge_schedules", params: fields };
    case "ping": return { name: "ping", params: fields };
    case "getVehicleData": return { name: "get_vehicle_data", params: fields };
    case "setLowPowerModeAction": return { name: "set_low_power_mode", params: fields };
    case "setKeepAccessoryPowerModeAction": return { name: "keep_accessory_power_mode", params: fields };
  }
  return faultNumber("invalid_command");
}

function readSecurityMessage(payload: Buffer): Command | number {
  const message = decode("UnsignedMessage", payload) as {
    InformationRequest?: { informationRequestType?: number; [key: string]: unknown };
    RKEAction?: number;
    closureMoveRequest?: { [closure: string]: number };
    WhitelistOperation?: object;
  };
  if (message.RKEAction !== undefined) {
    const names: { [action: number]: string } = {
      0: "door_unlock",
      1: "door_lock",
      20: "remote_start_drive",
      29: "auto_secure_vehicle",
      30: "wake_vehicle",
    };
    const name = names[message.RKEAction];
    return name ? { name, params: {} } : faultNumber("invalid_command");
  }
  if (message.closureMoveRequest) return closureCommand(message.closureMoveRequest);
  if (message.InformationRequest) {
    const { informationRequestType = 0, ...key } = message.InformationRequest;
    const name = QUESTIONS[informationRequestType];
    return name ? { name, params: key } : faultNumber("insufficient_privileges");
  }
  if (message.WhitelistOperation) return faultNumber("insufficient_privileges");
  return faultNumber("invalid_command");
}

function closureCommand(moves: { [closure: string]: number }): Command {
  const entries = Object.entries(moves).filter(([, move]) => move !== 0);
  const [closure, move] = entries.length === 1 ? (entries[0] ?? ["", 0]) : ["", 0];
  const trunks: { [closure: string]: string } = { rearTrunk: "rear", frontTrunk: "front" };
  const trunk = move === 1 ? trunks[closure] : undefined;
  if (trunk) return { name: "actuate_trunk", params: { which_trunk: trunk } };
  const tonneau: { [move: number]: string } = { 2: "stop_tonneau", 3: "open_tonneau", 4: "close_tonneau" };
  const name = closure === "tonneau" ? tonneau[move] : undefined;
  return name ? { name, params: {} } : { name: "closure_move", params: moves };
}

export function mayDo(role: string, command: Command): boolean {
  return role !== "charging_manager" || CHARGING.test(command.name) || command.name.startsWith("get_");
}
