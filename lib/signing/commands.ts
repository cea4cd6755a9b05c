// Every command that this project signs, by its name in Tesla's REST documentation, and what the car is sent.
//
//   at          where the command is in Tesla's message: field numbers, from the outside inwards
//   fixed       what is always there, as [field number, value]
//   parameters  what the owner gives: its field (0: only plain REST has it), kind and range; a name with ?
//               may be left out; or a list of words, each with the field and value that it means
//   beside      the same for parameters one level further out
//   domain      the computer in the car that acts: infotainment, unless it says SECURITY
//   scope       what the token must allow: vehicle_cmds; with CHARGING, vehicle_charging_cmds will do
//   once        never signed a second time: twice is not the same as once, or it opens or erases something
//   switchedBy  where this parameter is false, nothing else is needed or sent
//
// Kinds: "empty" is an empty message in the field numbered field + value, "one more" travels as value + 1,
// "id" of a new schedule is the time if it is left out, "decimal" takes four bytes and "double" eight, "all
// week" and "weekdays" are one field with two meanings.
// Protobuf sends zero and false as nothing at all; only "decimal kept" and what is fixed are sent even so.
// This file is a table and does nothing. Where each number comes from: test/signing/commands_sources.md.
import { VCSEC } from "./signed_message.ts";
import type { Field } from "./wire.ts";

export type Kind =
  | "flag"
  | "whole"
  | "one more"
  | "empty"
  | "decimal"
  | "decimal kept"
  | "double"
  | "text"
  | "pin"
  | "days"
  | "id"
  | "all week"
  | "weekdays";
export type Parameter = [field: number, kind: Kind, from?: number, to?: number] | { [word: string]: Field };
export type Parameters = { [name: string]: Parameter };
export interface CommandRow {
  at: number[];
  fixed?: Field[];
  parameters?: Parameters;
  beside?: Parameters;
  domain?: typeof VCSEC;
  scope?: "vehicle_charging_cmds";
  once?: true;
  switchedBy?: string;
}

const SECURITY = VCSEC;
const CHARGING = "vehicle_charging_cmds";
const FLAG: Parameter = [1, "flag"];
const PIN: Parameter = [2, "pin"];
const MPH: Parameter = [1, "double", 50, 120];
const MINUTES = ["whole", 0, 1439] as const; // after midnight, by the car's own clock
const LATITUDE = ["decimal", -90, 90] as const;
const LONGITUDE = ["decimal", -180, 180] as const;
const PLACES: Parameters = { "home?": FLAG, "work?": [2, "flag"], "other?": [3, "flag"] };

// biome-ignore format: a table of words and numbers
export const COMMANDS: { [name: string]: CommandRow } = {
  // charging
  charge_start: { at: [6, 2], scope: CHARGING }, charge_stop: { at: [6, 5], scope: CHARGING },
  charge_standard: { at: [6, 3], scope: CHARGING }, charge_max_range: { at: [6, 4], scope: CHARGING },
  charge_port_door_open: { at: [62], scope: CHARGING },
  charge_port_door_close: { at: [61], scope: CHARGING },
  set_charge_limit: { at: [5], parameters: { percent: [1, "whole", 50, 100] }, scope: CHARGING },
  set_charging_amps: { at: [43], parameters: { charging_amps: [1, "whole", 0, 80] }, scope: CHARGING },
  // since firmware 2024.26 each call of these two adds a schedule; add_ and remove_ below are clearer
  set_scheduled_charging: { at: [41], parameters: { enable: FLAG, "time?": [2, ...MINUTES] }, scope: CHARGING,
    once: true },
  set_scheduled_departure: { at: [42], switchedBy: "enable", scope: CHARGING, once: true, parameters: {
    enable: FLAG,
    "departure_time?": [2, ...MINUTES], "end_off_peak_time?": [5, ...MINUTES],
    "preconditioning_enabled?": [3, "all week"], "preconditioning_weekdays_only?": [3, "weekdays"],
    "off_peak_charging_enabled?": [4, "all week"], "off_peak_charging_weekdays_only?": [4, "weekdays"] } },
  add_charge_schedule: { at: [97], scope: CHARGING, parameters: { "id?": [1, "id"], days_of_week: [3, "days"],
    start_enabled: [4, "flag"], "start_time?": [5, ...MINUTES],
    end_enabled: [6, "flag"], "end_time?": [7, ...MINUTES], "one_time?": [8, "flag"], enabled: [9, "flag"],
    lat: [10, ...LATITUDE], lon: [11, ...LONGITUDE] } },
  remove_charge_schedule: { at: [98], parameters: { id: [1, "id"] }, scope: CHARGING },
  batch_remove_charge_schedules: { at: [108], parameters: PLACES },
  add_precondition_schedule: { at: [99], scope: CHARGING, parameters: {
    "id?": [1, "id"], days_of_week: [3, "days"],
    precondition_time: [4, ...MINUTES], "one_time?": [5, "flag"], enabled: [6, "flag"],
    lat: [7, ...LATITUDE], lon: [8, ...LONGITUDE] } },
  remove_precondition_schedule: { at: [100], parameters: { id: [1, "id"] }, scope: CHARGING },
  batch_remove_precondition_schedules: { at: [107], parameters: PLACES },
  // climate and seats; temperatures in degrees Celsius
  auto_conditioning_start: { at: [10], fixed: [[1, 1]] }, auto_conditioning_stop: { at: [10] },
  set_temps: { at: [14], fixed: [[5, [[3, []]]]], // Tesla's own client always adds this "level: maximum"
    parameters: { driver_temp: [6, "decimal", 15, 28], passenger_temp: [7, "decimal", 15, 28] } },
  set_preconditioning_max: { at: [12], parameters: { on: FLAG, "manual_override?": [2, "flag"] } },
  set_climate_keeper_mode: { at: [44], // 0 off, 1 keep, 2 dog, 3 camp
    parameters: { climate_keeper_mode: [1, "whole", 0, 3], "manual_override?": [2, "flag"] } },
  set_bioweapon_mode: { at: [35], parameters: { on: FLAG, manual_override: [2, "flag"] } },
  set_cabin_overheat_protection: { at: [50], parameters: { on: FLAG, "fan_only?": [2, "flag"] } },
  set_cop_temp: { at: [66], parameters: { cop_temp: [1, "one more", 0, 2] } }, // 0 low, 1 medium, 2 high
  remote_seat_heater_request: { at: [36, 1], // seats 0 to 8, front left first; level 0 off to 3 high
    parameters: { level: [2, "empty", 0, 3], seat_position: [7, "empty", 0, 8] } },
  remote_seat_cooler_request: { at: [49, 1], // level 0 off to 3 high; seat 1 front left, 2 front right
    parameters: { seat_cooler_level: [1, "one more", 0, 3], seat_position: [2, "whole", 1, 2] } },
  remote_auto_seat_climate_request: { at: [48, 1],
    parameters: { auto_climate_on: FLAG, auto_seat_position: [2, "whole", 1, 2] } },
  remote_steering_wheel_heater_request: { at: [13], parameters: { on: FLAG } },
  // doors, trunks, windows, horn and lights
  door_lock: { at: [], fixed: [[2, 1]], domain: SECURITY },
  door_unlock: { at: [], fixed: [[2, 0]], domain: SECURITY, once: true },
  remote_start_drive: { at: [], fixed: [[2, 20]], domain: SECURITY, once: true },
  actuate_trunk: { at: [4], parameters: { which_trunk: { front: [6, 1], rear: [5, 1] } }, domain: SECURITY,
    once: true },
  open_tonneau: { at: [4], fixed: [[8, 3]], domain: SECURITY, once: true },
  close_tonneau: { at: [4], fixed: [[8, 4]], domain: SECURITY, once: true },
  stop_tonneau: { at: [4], fixed: [[8, 2]], domain: SECURITY },
  window_control: { at: [34], parameters: { command: { vent: [3, []], close: [4, []] },
    "lat?": [0, ...LATITUDE], "lon?": [0, ...LONGITUDE] } }, // cars before 2021 need the place to close
  sun_roof_control: { at: [32], parameters: { state: { vent: [3, []], close: [4, []] } } },
  trigger_homelink: { at: [33, 1], once: true,
    parameters: { lat: [1, ...LATITUDE], lon: [2, ...LONGITUDE] },
    beside: { "token?": [2, "text", 1, 1000] } },
  flash_lights: { at: [26], once: true }, honk_horn: { at: [27], once: true },
  // media
  media_toggle_playback: { at: [15], once: true },
  media_next_track: { at: [19], once: true }, media_prev_track: { at: [20], once: true },
  media_next_fav: { at: [17], once: true }, media_prev_fav: { at: [18], once: true },
  media_volume_up: { at: [16], fixed: [[1, 2]], once: true }, // protobuf writes +1 as 2 here, and -1 as 1
  media_volume_down: { at: [16], fixed: [[1, 1]], once: true },
  adjust_volume: { at: [16], parameters: { volume: [3, "decimal kept", 0, 11] } },
  // sentry, valet, guests, limits, PINs
  set_sentry_mode: { at: [30], parameters: { on: FLAG } },
  guest_mode: { at: [65], parameters: { enable: FLAG } },
  erase_user_data: { at: [72], once: true },
  set_valet_mode: { at: [31], switchedBy: "on", parameters: { on: FLAG, password: PIN } },
  reset_valet_pin: { at: [28] },
  set_pin_to_drive: { at: [77], parameters: { on: FLAG, "password?": PIN } },
  reset_pin_to_drive_pin: { at: [78] },
  clear_pin_to_drive_admin: { at: [89] },
  speed_limit_activate: { at: [9], fixed: [[1, 1]], parameters: { pin: PIN } },
  speed_limit_deactivate: { at: [9], parameters: { pin: PIN } },
  speed_limit_set_limit: { at: [8], parameters: { limit_mph: MPH } },
  speed_limit_clear_pin: { at: [7], parameters: { pin: [1, "pin"] } },
  speed_limit_clear_pin_admin: { at: [79] },
  parental_controls_activate: { at: [111], fixed: [[1, 1]], parameters: { pin: PIN } },
  parental_controls_deactivate: { at: [111], parameters: { pin: PIN } },
  parental_controls_set_speed_limit: { at: [113], parameters: { limit_mph: MPH } },
  parental_controls_enable_setting: { at: [112], parameters: { enable: [2, "flag"], setting: {
    SpeedLimit: [1, 0], Acceleration: [1, 1], SafetyFeatures: [1, 2], Curfew: [1, 3],
    BrowserBlocked: [1, 4], TheaterBlocked: [1, 5], ArcadeBlocked: [1, 6] } } },
  parental_controls_clear_pin_admin: { at: [110] },
  // the rest
  set_vehicle_name: { at: [54], parameters: { vehicle_name: [1, "text", 1, 1000] } },
  schedule_software_update: { at: [29], parameters: { offset_sec: [1, "whole", 0, 2147483647] } },
  cancel_software_update: { at: [25] },
  set_low_power_mode: { at: [130], parameters: { enable: FLAG } },
  keep_accessory_power_mode: { at: [138], parameters: { enable: FLAG } },
};

const UNPUBLISHED = "Tesla's published message definitions do not include it; unsigned: call_api";
const FLEET = "made for business fleets; Tesla accepts it only unsigned: use call_api";
/** What else Tesla's documentation lists, and why it cannot be signed here. Unsigned it can be sent with
 * call_api, POST /api/1/vehicles/VIN/command/NAME; a car that demands signatures may refuse it. */
export const NOT_SIGNED: { [name: string]: string } = {
  wake_up: "it is a request to Tesla, not a command to the car: run wake_up",
  navigation_request:
    "Tesla's servers prepare it for the car, so Tesla accepts it only unsigned: use call_api",
  navigation_gps_request: UNPUBLISHED,
  navigation_sc_request: UNPUBLISHED,
  navigation_waypoints_request: UNPUBLISHED,
  upcoming_calendar_entries: UNPUBLISHED,
  remote_boombox: UNPUBLISHED,
  remote_auto_steering_wheel_heat_climate_request: UNPUBLISHED,
  remote_steering_wheel_heat_level_request: UNPUBLISHED,
  set_managed_charge_current_request: FLEET,
  set_managed_charger_location: FLEET,
  set_managed_scheduled_charging_time: FLEET,
};
