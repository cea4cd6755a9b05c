// Which scopes a command needs. Fleet API can read the payload of a signed command, so it holds it to the
// same scopes as a plain one.

import { readCommand } from "../car/car.ts";
import { decodeRoutable } from "../protocol/protocol.ts";
import type { RoutableMessage } from "../protocol/protocol.ts";

// Commands for which vehicle_charging_cmds is enough.
const CHARGING_COMMANDS = [
  "set_charging_amps",
  "charge_start",
  "charge_stop",
  "set_charge_limit",
  "charge_standard",
  "charge_max_range",
  "charge_port_door_open",
  "charge_port_door_close",
  "set_scheduled_charging",
  "set_scheduled_departure",
  "add_charge_schedule",
  "remove_charge_schedule",
  "batch_remove_charge_schedules",
  "add_precondition_schedule",
  "remove_precondition_schedule",
  "vehicle_action_99", // the same two, signed
  "vehicle_action_100",
];
// They ask and change nothing. Which scope Tesla wants for them is not known; here any of the two will do.
const QUESTIONS = ["get_status", "get_whitelist_info", "get_whitelist_entry_info", "get_vehicle_data", "ping"];

export const EITHER = ["vehicle_charging_cmds", "vehicle_cmds"];

/** The scopes of which a token needs one for this command of Tesla's REST documentation. */
export function scopesFor(name: string): string[] {
  return [...CHARGING_COMMANDS, ...QUESTIONS].includes(name) ? EITHER : ["vehicle_cmds"];
}

/** The same for the bytes of a signed command. A handshake, and a message without a payload, need any. */
export function scopesForSigned(bytes: Buffer): string[] {
  const message = read(bytes);
  const payload = message?.protobuf_message_as_bytes;
  if (message?.session_info_request || payload === undefined || payload.length === 0) return EITHER;
  const command = readCommand(message?.to_destination?.domain ?? 0, payload);
  return typeof command === "number" ? ["vehicle_cmds"] : scopesFor(command.name);
}

/** Whether the payload is encrypted, as over Bluetooth: Fleet API cannot read it and does not forward it. */
export function isEncrypted(bytes: Buffer): boolean {
  return read(bytes)?.signature_data?.AES_GCM_Personalized_data !== undefined;
}

function read(bytes: Buffer): RoutableMessage | undefined {
  try {
    return decodeRoutable(bytes);
  } catch {
    return undefined;
  }
}
