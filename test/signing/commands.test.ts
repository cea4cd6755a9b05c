// Is every command of lib/signing/commands.ts encoded as Tesla's message definitions require?
//
// Three independent witnesses: a protobuf library with the definitions of commands.proto, told below for each
// command what it must hold (never derived from the table); the vectors of Tesla's own code
// (vectors/payloads.json); and plain lists of what must be refused. Nothing here reaches a network.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import protobuf from "protobufjs";
import { COMMANDS, type CommandRow, NOT_SIGNED, type Parameters } from "../../lib/signing/commands.ts";
import { encodeCommand } from "../../lib/signing/encode_command.ts";
import { encodeFields } from "../../lib/signing/wire.ts";

type Content = Record<string, unknown>;
const read = (path: string): string => readFileSync(new URL(path, import.meta.url), "utf8");
const { root } = protobuf.parse(read("commands.proto"), { keepCase: true });

function encodeIndependently(type: string, content: Content): string {
  const message = root.lookupType(type);
  return Buffer.from(message.encode(message.fromObject(content)).finish()).toString("hex");
}
/** The same, and every name is checked: fromObject alone overlooks a name that it does not know. */
function expected(type: string, content: Content): string {
  const hex = encodeIndependently(type, content);
  const decoded = root.lookupType(type).decode(Buffer.from(hex, "hex"));
  const names = (value: unknown): string[] => {
    if (value === null || typeof value !== "object") return [];
    return Object.entries(value).flatMap(([key, inner]) => [key, ...names(inner)]);
  };
  assert.deepEqual(names(decoded.toJSON()), names(content), `${type} ${JSON.stringify(content)}`);
  return hex;
}
const car = (content: Content): string => expected("Action", { vehicleAction: content });
const vcsec = (content: Content): string => expected("UnsignedMessage", content);
const move = (closure: string, how: string): string =>
  vcsec({ closureMoveRequest: { [closure]: `CLOSURE_MOVE_TYPE_${how}` } });

/** What the car is sent for a command, in hex. */
function sentFor(name: string, parameters: Content): string {
  return encodeFields(encodeCommand(name, parameters).message).toString("hex");
}

const ROWS = Object.entries(COMMANDS);
const parametersOf = ({ parameters, beside }: CommandRow): Parameters => ({ ...parameters, ...beside });
const keysOf = (row: CommandRow): string[] =>
  Object.keys(parametersOf(row)).map((label) => label.replace("?", ""));

// What each command must be. A zero, a false and an empty text are left out by hand, as proto3 requires.
const allDays = { lat: 52.5, lon: 13.25, start_enabled: true, end_enabled: false, enabled: true };
// biome-ignore format: a table of words and numbers
const CASES: [string, Content, string][] = [
  ["charge_start", {}, car({ chargingStartStopAction: { start: {} } })],
  ["charge_stop", {}, car({ chargingStartStopAction: { stop: {} } })],
  ["charge_standard", {}, car({ chargingStartStopAction: { start_standard: {} } })],
  ["charge_max_range", {}, car({ chargingStartStopAction: { start_max_range: {} } })],
  ["charge_port_door_open", {}, car({ chargePortDoorOpen: {} })],
  ["charge_port_door_close", {}, car({ chargePortDoorClose: {} })],
  ["set_charge_limit", { percent: 50 }, car({ chargingSetLimitAction: { percent: 50 } })],
  ["set_charge_limit", { percent: 100 }, car({ chargingSetLimitAction: { percent: 100 } })],
  ["set_charging_amps", { charging_amps: 0 }, car({ setChargingAmpsAction: {} })],
  ["set_charging_amps", { charging_amps: 7 }, car({ setChargingAmpsAction: { charging_amps: 7 } })],
  ["set_charging_amps", { charging_amps: 80 }, car({ setChargingAmpsAction: { charging_amps: 80 } })],
  ["set_scheduled_charging", { enable: false }, car({ scheduledChargingAction: {} })],
  ["set_scheduled_charging", { enable: true }, car({ scheduledChargingAction: { enabled: true } })],
  ["set_scheduled_charging", { enable: true, time: 0 }, car({ scheduledChargingAction: { enabled: true } })],
  ["set_scheduled_charging", { time: 1439, enable: false },
    car({ scheduledChargingAction: { charging_time: 1439 } })],
  ["set_scheduled_departure", { enable: false }, car({ scheduledDepartureAction: {} })],
  ["set_scheduled_departure", { enable: false, departure_time: 480, preconditioning_enabled: true },
    car({ scheduledDepartureAction: {} })],
  ["set_scheduled_departure", { enable: true }, car({ scheduledDepartureAction: { enabled: true } })],
  ["set_scheduled_departure",
    { end_off_peak_time: 360, departure_time: 480, enable: true, preconditioning_enabled: true,
      off_peak_charging_enabled: true },
    car({ scheduledDepartureAction: { enabled: true, departure_time: 480,
      preconditioning_times: { all_week: {} }, off_peak_charging_times: { all_week: {} },
      off_peak_hours_end_time: 360 } })],
  ["set_scheduled_departure",
    { enable: true, departure_time: 1439, preconditioning_enabled: true, preconditioning_weekdays_only: true,
      off_peak_charging_enabled: false, off_peak_charging_weekdays_only: true },
    car({ scheduledDepartureAction: { enabled: true, departure_time: 1439,
      preconditioning_times: { weekdays: {} }, off_peak_charging_times: { weekdays: {} } } })],
  ["set_scheduled_departure",
    { enable: true, departure_time: 1, preconditioning_enabled: true, preconditioning_weekdays_only: false,
      off_peak_charging_enabled: false, off_peak_charging_weekdays_only: false },
    car({ scheduledDepartureAction: { enabled: true, departure_time: 1,
      preconditioning_times: { all_week: {} } } })],
  ["add_charge_schedule", { ...allDays, id: 1753180000, days_of_week: "All", start_time: 75 },
    car({ addChargeScheduleAction: { id: 1753180000, days_of_week: 127, start_enabled: true, start_time: 75,
      enabled: true, latitude: 52.5, longitude: 13.25 } })],
  ["add_charge_schedule", { id: 1, days_of_week: " sun, SATURDAY,Thurs", lat: 0, lon: -180,
    start_enabled: false, end_enabled: true, end_time: 390, enabled: false, one_time: true },
    car({ addChargeScheduleAction: { id: 1, days_of_week: 81, end_enabled: true, end_time: 390,
      one_time: true, longitude: -180 } })],
  ["add_charge_schedule",
    { ...allDays, id: Number.MAX_SAFE_INTEGER, days_of_week: "Weekdays", start_time: 0 },
    car({ addChargeScheduleAction: { id: "9007199254740991", days_of_week: 62, start_enabled: true,
      enabled: true, latitude: 52.5, longitude: 13.25 } })],
  ["remove_charge_schedule", { id: 1753180000 }, car({ removeChargeScheduleAction: { id: 1753180000 } })],
  ["remove_charge_schedule", { id: 1 }, car({ removeChargeScheduleAction: { id: 1 } })],
  ["batch_remove_charge_schedules", {}, car({ batchRemoveChargeSchedulesAction: {} })],
  ["batch_remove_charge_schedules", { home: true, work: true, other: true },
    car({ batchRemoveChargeSchedulesAction: { home: true, work: true, other: true } })],
  ["batch_remove_charge_schedules", { home: false, other: true },
    car({ batchRemoveChargeSchedulesAction: { other: true } })],
  ["add_precondition_schedule",
    { id: 5, days_of_week: "Mon,Tues,Wed", precondition_time: 420, enabled: true, one_time: true, lat: 1.5,
      lon: 2.5 },
    car({ addPreconditionScheduleAction: { id: 5, days_of_week: 14, precondition_time: 420, one_time: true,
      enabled: true, latitude: 1.5, longitude: 2.5 } })],
  ["add_precondition_schedule",
    { id: 5, days_of_week: "Friday", precondition_time: 0, enabled: false, lat: -90, lon: 0 },
    car({ addPreconditionScheduleAction: { id: 5, days_of_week: 32, latitude: -90 } })],
  ["remove_precondition_schedule", { id: 5 }, car({ removePreconditionScheduleAction: { id: 5 } })],
  ["remove_precondition_schedule", { id: 1753180000 },
    car({ removePreconditionScheduleAction: { id: 1753180000 } })],
  ["batch_remove_precondition_schedules", { work: true },
    car({ batchRemovePreconditionSchedulesAction: { work: true } })],
  ["batch_remove_precondition_schedules", { home: true, work: false, other: true },
    car({ batchRemovePreconditionSchedulesAction: { home: true, other: true } })],

  ["auto_conditioning_start", {}, car({ hvacAutoAction: { power_on: true } })],
  ["auto_conditioning_stop", {}, car({ hvacAutoAction: {} })],
  ["set_temps", { driver_temp: 21.5, passenger_temp: 15 }, car({ hvacTemperatureAdjustmentAction: {
    level: { TEMP_MAX: {} }, driver_temp_celsius: 21.5, passenger_temp_celsius: 15 } })],
  ["set_temps", { passenger_temp: 28, driver_temp: 20.25 }, car({ hvacTemperatureAdjustmentAction: {
    level: { TEMP_MAX: {} }, driver_temp_celsius: 20.25, passenger_temp_celsius: 28 } })],
  ["set_preconditioning_max", { on: true }, car({ hvacSetPreconditioningMaxAction: { on: true } })],
  ["set_preconditioning_max", { on: false, manual_override: true },
    car({ hvacSetPreconditioningMaxAction: { manual_override: true } })],
  ["set_climate_keeper_mode", { climate_keeper_mode: 0 }, car({ hvacClimateKeeperAction: {} })],
  ["set_climate_keeper_mode", { climate_keeper_mode: 1 },
    car({ hvacClimateKeeperAction: { ClimateKeeperAction: "On" } })],
  ["set_climate_keeper_mode", { climate_keeper_mode: 2, manual_override: true },
    car({ hvacClimateKeeperAction: { ClimateKeeperAction: "Dog", manual_override: true } })],
  ["set_climate_keeper_mode", { climate_keeper_mode: 3, manual_override: false },
    car({ hvacClimateKeeperAction: { ClimateKeeperAction: "Camp" } })],
  ["set_bioweapon_mode", { on: true, manual_override: false },
    car({ hvacBioweaponModeAction: { on: true } })],
  ["set_bioweapon_mode", { on: false, manual_override: true },
    car({ hvacBioweaponModeAction: { manual_override: true } })],
  ["set_cabin_overheat_protection", { on: true }, car({ setCabinOverheatProtectionAction: { on: true } })],
  ["set_cabin_overheat_protection", { on: true, fan_only: true },
    car({ setCabinOverheatProtectionAction: { on: true, fan_only: true } })],
  ["set_cabin_overheat_protection", { on: false, fan_only: false },
    car({ setCabinOverheatProtectionAction: {} })],
  ["set_cop_temp", { cop_temp: 0 }, car({ setCopTempAction: { copActivationTemp: "Low" } })],
  ["set_cop_temp", { cop_temp: 1 }, car({ setCopTempAction: { copActivationTemp: "Medium" } })],
  ["set_cop_temp", { cop_temp: 2 }, car({ setCopTempAction: { copActivationTemp: "High" } })],
  ...["FRONT_LEFT", "FRONT_RIGHT", "REAR_LEFT", "REAR_LEFT_BACK", "REAR_CENTER", "REAR_RIGHT",
    "REAR_RIGHT_BACK", "THIRD_ROW_LEFT", "THIRD_ROW_RIGHT"].flatMap((seat, seat_position) =>
    ["OFF", "LOW", "MED", "HIGH"].map((heat, level): [string, Content, string] =>
      ["remote_seat_heater_request", { seat_position, level }, car({ hvacSeatHeaterActions: {
        hvacSeatHeaterAction: [{ [`SEAT_HEATER_${heat}`]: {}, [`CAR_SEAT_${seat}`]: {} }] } })])),
  // 0 is off in Tesla's documentation, and 1 in the message
  ...["Off", "Low", "Med", "High"].flatMap((cold, seat_cooler_level) =>
    ["FrontLeft", "FrontRight"].map((seat, index): [string, Content, string] =>
      ["remote_seat_cooler_request", { seat_position: index + 1, seat_cooler_level }, car({
        hvacSeatCoolerActions: { hvacSeatCoolerAction: [{ seat_cooler_level: cold, seat_position: seat }] } })])),
  ["remote_auto_seat_climate_request", { auto_seat_position: 1, auto_climate_on: true },
    car({ autoSeatClimateAction: { carseat: [{ on: true, seat_position: "FrontLeft" }] } })],
  ["remote_auto_seat_climate_request", { auto_seat_position: 2, auto_climate_on: false },
    car({ autoSeatClimateAction: { carseat: [{ seat_position: "FrontRight" }] } })],
  ["remote_steering_wheel_heater_request", { on: true },
    car({ hvacSteeringWheelHeaterAction: { power_on: true } })],
  ["remote_steering_wheel_heater_request", { on: false }, car({ hvacSteeringWheelHeaterAction: {} })],

  ["door_lock", {}, vcsec({ RKEAction: "RKE_ACTION_LOCK" })],
  ["door_unlock", {}, vcsec({ RKEAction: "RKE_ACTION_UNLOCK" })],
  ["remote_start_drive", {}, vcsec({ RKEAction: "RKE_ACTION_REMOTE_DRIVE" })],
  ["actuate_trunk", { which_trunk: "front" }, move("frontTrunk", "MOVE")],
  ["actuate_trunk", { which_trunk: "rear" }, move("rearTrunk", "MOVE")],
  ["open_tonneau", {}, move("tonneau", "OPEN")], ["close_tonneau", {}, move("tonneau", "CLOSE")],
  ["stop_tonneau", {}, move("tonneau", "STOP")],
  ["window_control", { command: "vent" }, car({ vehicleControlWindowAction: { vent: {} } })],
  ["window_control", { command: "close" }, car({ vehicleControlWindowAction: { close: {} } })],
  ["window_control", { command: "close", lat: -33.875, lon: 151.25 }, // the place is for plain REST alone
    car({ vehicleControlWindowAction: { close: {} } })],
  ["sun_roof_control", { state: "vent" }, car({ vehicleControlSunroofOpenCloseAction: { vent: {} } })],
  ["sun_roof_control", { state: "close" }, car({ vehicleControlSunroofOpenCloseAction: { close: {} } })],
  ["trigger_homelink", { lat: -33.875, lon: 151.25 },
    car({ vehicleControlTriggerHomelinkAction: { location: { latitude: -33.875, longitude: 151.25 } } })],
  ["trigger_homelink", { lat: 0, lon: 1e-50 },
    car({ vehicleControlTriggerHomelinkAction: { location: {} } })],
  ["trigger_homelink", { token: "d'été", lat: 0, lon: 1 }, // the token is beside the place, not in it
    car({ vehicleControlTriggerHomelinkAction: { location: { longitude: 1 }, token: "d'été" } })],
  ["flash_lights", {}, car({ vehicleControlFlashLightsAction: {} })],
  ["honk_horn", {}, car({ vehicleControlHonkHornAction: {} })],

  ["media_toggle_playback", {}, car({ mediaPlayAction: {} })],
  ["media_next_track", {}, car({ mediaNextTrack: {} })],
  ["media_prev_track", {}, car({ mediaPreviousTrack: {} })],
  ["media_next_fav", {}, car({ mediaNextFavorite: {} })],
  ["media_prev_fav", {}, car({ mediaPreviousFavorite: {} })],
  ["media_volume_up", {}, car({ mediaUpdateVolume: { volume_delta: 1 } })],
  ["media_volume_down", {}, car({ mediaUpdateVolume: { volume_delta: -1 } })],
  ["adjust_volume", { volume: 0 }, car({ mediaUpdateVolume: { volume_absolute_float: 0 } })],
  ["adjust_volume", { volume: 2.5 }, car({ mediaUpdateVolume: { volume_absolute_float: 2.5 } })],
  ["adjust_volume", { volume: 11 }, car({ mediaUpdateVolume: { volume_absolute_float: 11 } })],

  ["set_sentry_mode", { on: true }, car({ vehicleControlSetSentryModeAction: { on: true } })],
  ["set_sentry_mode", { on: false }, car({ vehicleControlSetSentryModeAction: {} })],
  ["guest_mode", { enable: true }, car({ guestModeAction: { GuestModeActive: true } })],
  ["guest_mode", { enable: false }, car({ guestModeAction: {} })],
  ["erase_user_data", {}, car({ eraseUserDataAction: {} })],
  ["set_valet_mode", { on: true, password: "0123" },
    car({ vehicleControlSetValetModeAction: { on: true, password: "0123" } })],
  ["set_valet_mode", { on: false }, car({ vehicleControlSetValetModeAction: {} })],
  ["set_valet_mode", { on: false, password: "0123" }, car({ vehicleControlSetValetModeAction: {} })],
  ["reset_valet_pin", {}, car({ vehicleControlResetValetPinAction: {} })],
  ["set_pin_to_drive", { on: true, password: "9876" },
    car({ vehicleControlSetPinToDriveAction: { on: true, password: "9876" } })],
  ["set_pin_to_drive", { on: false }, car({ vehicleControlSetPinToDriveAction: {} })],
  ["reset_pin_to_drive_pin", {}, car({ vehicleControlResetPinToDriveAction: {} })],
  ["clear_pin_to_drive_admin", {}, car({ vehicleControlResetPinToDriveAdminAction: {} })],
  ["speed_limit_activate", { pin: "1234" },
    car({ drivingSpeedLimitAction: { activate: true, pin: "1234" } })],
  ["speed_limit_activate", { pin: "0000" },
    car({ drivingSpeedLimitAction: { activate: true, pin: "0000" } })],
  ["speed_limit_deactivate", { pin: "1234" }, car({ drivingSpeedLimitAction: { pin: "1234" } })],
  ["speed_limit_deactivate", { pin: "0000" }, car({ drivingSpeedLimitAction: { pin: "0000" } })],
  ["speed_limit_set_limit", { limit_mph: 50 }, car({ drivingSetSpeedLimitAction: { limit_mph: 50 } })],
  ["speed_limit_set_limit", { limit_mph: 80.1 }, car({ drivingSetSpeedLimitAction: { limit_mph: 80.1 } })],
  ["speed_limit_clear_pin", { pin: "1234" }, car({ drivingClearSpeedLimitPinAction: { pin: "1234" } })],
  ["speed_limit_clear_pin", { pin: "0001" }, car({ drivingClearSpeedLimitPinAction: { pin: "0001" } })],
  ["speed_limit_clear_pin_admin", {}, car({ drivingClearSpeedLimitPinAdminAction: {} })],
  ["parental_controls_activate", { pin: "2468" },
    car({ parentalControlsAction: { activate: true, pin: "2468" } })],
  ["parental_controls_activate", { pin: "0000" },
    car({ parentalControlsAction: { activate: true, pin: "0000" } })],
  ["parental_controls_deactivate", { pin: "2468" }, car({ parentalControlsAction: { pin: "2468" } })],
  ["parental_controls_deactivate", { pin: "0000" }, car({ parentalControlsAction: { pin: "0000" } })],
  ["parental_controls_set_speed_limit", { limit_mph: 65 },
    car({ parentalControlsSetSpeedLimitAction: { limit_mph: 65 } })],
  ["parental_controls_set_speed_limit", { limit_mph: 120 },
    car({ parentalControlsSetSpeedLimitAction: { limit_mph: 120 } })],
  ["parental_controls_enable_setting", { setting: "SpeedLimit", enable: true },
    car({ parentalControlsEnableSettingsAction: { enable: true } })],
  ...["Acceleration", "SafetyFeatures", "Curfew", "BrowserBlocked", "TheaterBlocked", "ArcadeBlocked"].map(
    (setting): [string, Content, string] => ["parental_controls_enable_setting", { setting, enable: false },
      car({ parentalControlsEnableSettingsAction: { setting } })]),
  ["parental_controls_clear_pin_admin", {}, car({ parentalControlsClearPinAdminAction: {} })],

  ["set_vehicle_name", { vehicle_name: "Zoë" }, car({ setVehicleNameAction: { vehicleName: "Zoë" } })],
  ["set_vehicle_name", { vehicle_name: "x".repeat(1000) },
    car({ setVehicleNameAction: { vehicleName: "x".repeat(1000) } })],
  ["schedule_software_update", { offset_sec: 0 }, car({ vehicleControlScheduleSoftwareUpdateAction: {} })],
  ["schedule_software_update", { offset_sec: 7200 },
    car({ vehicleControlScheduleSoftwareUpdateAction: { offset_sec: 7200 } })],
  ["cancel_software_update", {}, car({ vehicleControlCancelSoftwareUpdateAction: {} })],
  ["set_low_power_mode", { enable: true }, car({ setLowPowerModeAction: { low_power_mode: true } })],
  ["set_low_power_mode", { enable: false }, car({ setLowPowerModeAction: {} })],
  ["keep_accessory_power_mode", { enable: true },
    car({ setKeepAccessoryPowerModeAction: { keep_accessory_power_mode: true } })],
  ["keep_accessory_power_mode", { enable: false }, car({ setKeepAccessoryPowerModeAction: {} })],
];
const SECURITY_COMMANDS = [
  "door_lock",
  "door_unlock",
  "remote_start_drive",
  "actuate_trunk",
  "open_tonneau",
  "close_tonneau",
  "stop_tonneau",
];

test("every command of the table gives the bytes of an independent encoder", () => {
  for (const [name, parameters, hex] of CASES) {
    assert.equal(sentFor(name, parameters), hex, `${name} ${JSON.stringify(parameters)}`);
    const { domain } = encodeCommand(name, parameters);
    assert.equal(domain, SECURITY_COMMANDS.includes(name) ? 2 : 3, `${name}: domain`);
  }
  const tried = (name: string): Content[] =>
    CASES.flatMap(([one, parameters]) => (one === name ? [parameters] : []));
  for (const [name, row] of ROWS) {
    const keys = keysOf(row);
    assert.ok(
      tried(name).length >= (keys.length > 0 ? 2 : 1),
      `${name} is tried, with two sets of parameters`,
    );
    for (const key of keys)
      assert.ok(
        tried(name).some((given) => key in given),
        `${name} ${key} is tried`,
      );
  }
});

// Which command, with which parameters, each vector of Tesla's own code stands for; "refused": Tesla's code
// would send it, but it is outside the table's range; "none": no command of Tesla's REST documentation.
// biome-ignore format: a table of words and numbers
const VECTORS: Record<string, [string, Content] | "none" | "name"> = {
  "setChargingAmpsAction 16": ["set_charging_amps", { charging_amps: 16 }],
  "setChargingAmpsAction 0": ["set_charging_amps", { charging_amps: 0 }],
  "setChargingAmpsAction 1": ["set_charging_amps", { charging_amps: 1 }],
  "setChargingAmpsAction 5": ["set_charging_amps", { charging_amps: 5 }],
  "setChargingAmpsAction 32": ["set_charging_amps", { charging_amps: 32 }],
  "setChargingAmpsAction 48": ["set_charging_amps", { charging_amps: 48 }],
  "setChargingAmpsAction 80": ["set_charging_amps", { charging_amps: 80 }],
  "setChargingAmpsAction -1": ["refused set_charging_amps", { charging_amps: -1 }],
  "chargingStartStopAction start": ["charge_start", {}], "chargingStartStopAction stop": ["charge_stop", {}],
  "chargingStartStopAction start_standard": ["charge_standard", {}],
  "chargingStartStopAction start_max_range": ["charge_max_range", {}],
  "chargingSetLimitAction 50": ["set_charge_limit", { percent: 50 }],
  "chargingSetLimitAction 80": ["set_charge_limit", { percent: 80 }],
  "chargingSetLimitAction 100": ["set_charge_limit", { percent: 100 }],
  "chargingSetLimitAction 0": ["refused set_charge_limit", { percent: 0 }],
  "chargePortDoorOpen": ["charge_port_door_open", {}], "chargePortDoorClose": ["charge_port_door_close", {}],
  "vehicleControlFlashLightsAction": ["flash_lights", {}], "vehicleControlHonkHornAction": ["honk_horn", {}],
  "hvacAutoAction on": ["auto_conditioning_start", {}], "hvacAutoAction off": ["auto_conditioning_stop", {}],
  "scheduledChargingAction on 02:00": ["set_scheduled_charging", { enable: true, time: 120 }],
  "scheduledChargingAction on 00:00": ["set_scheduled_charging", { enable: true, time: 0 }],
  "scheduledChargingAction off": ["set_scheduled_charging", { enable: false }], "ping 1": "none",
  "getVehicleData getChargeState": "none", "getVehicleData getChargeState+getChargeScheduleState": "none",
  "addChargeScheduleAction full": "name", // holds a name, which the documented command does not take
  "addChargeScheduleAction negative coordinates one-time": ["add_charge_schedule", { id: 1099511627776,
    days_of_week: "Weekdays", start_enabled: false, end_enabled: true, end_time: 1439, one_time: true,
    enabled: true, lat: -33.86882, lon: -151.20929 }],
  "removeChargeScheduleAction": ["remove_charge_schedule", { id: 1753180000 }],
  "batchRemoveChargeSchedulesAction home": ["batch_remove_charge_schedules", { home: true }],
  "setVehicleNameAction unicode 300 bytes": ["set_vehicle_name", { vehicle_name: "Zoë".repeat(75) }],
  "RKE lock": ["door_lock", {}], "RKE unlock": ["door_unlock", {}], "RKE wake": "none",
  "RKE remote drive": ["remote_start_drive", {}], "VCSEC get status": "none",
  "VCSEC rear trunk move": ["actuate_trunk", { which_trunk: "rear" }],
};

test("the vectors of Tesla's own code: the definitions give their bytes, and so does the table", () => {
  const { vectors } = JSON.parse(read("../vectors/payloads.json")) as {
    vectors: { name: string; domain: string; hex: string; decoded: Content }[];
  };
  const count = { same: 0, refused: 0, none: 0 };
  for (const { name, domain, hex, decoded } of vectors) {
    const type = domain === "vcsec" ? "UnsignedMessage" : "Action";
    assert.equal(encodeIndependently(type, decoded), hex, `${name}: commands.proto`);
    const meant = VECTORS[name];
    assert.ok(meant, `${name} is a vector that no one has looked at`);
    if (meant === "none") {
      count.none += 1;
    } else if (meant === "name") {
      // without its name the schedule is the vector less the name's six bytes (12 04 "Home")
      const sent = sentFor("add_charge_schedule", {
        id: 1753180000,
        days_of_week: "All",
        start_enabled: true,
        start_time: 75,
        end_enabled: true,
        end_time: 390,
        enabled: true,
        lat: 52.520008,
        lon: 13.404954,
      });
      const nameless = hex.replace("1204486f6d65", "").replace("12268a0623", "12208a061d");
      assert.equal(sent, nameless);
      count.same += 1;
    } else if (meant[0].startsWith("refused ")) {
      assert.throws(() => encodeCommand(meant[0].slice(8), meant[1]), /must be a whole number from/);
      count.refused += 1;
    } else {
      assert.equal(sentFor(meant[0], meant[1]), hex, name);
      assert.equal(encodeCommand(meant[0], meant[1]).domain, domain === "vcsec" ? 2 : 3, name);
      count.same += 1;
    }
  }
  assert.deepEqual(count, { same: 32, refused: 2, none: 5 });
  assert.equal(vectors.length, 39);
  assert.equal(Object.keys(VECTORS).length, 39);
});

test("a schedule without an id gets the time in seconds, as Tesla's proxy does it", () => {
  const before = Math.floor(Date.now() / 1000);
  const parameters = { ...allDays, days_of_week: "All" };
  const sent = sentFor("add_charge_schedule", parameters);
  const after = Math.floor(Date.now() / 1000);
  const possible = [before, after].map((id) => sentFor("add_charge_schedule", { ...parameters, id }));
  assert.equal(possible.includes(sent), true, "the id is not this second");
});

test("each spelling of a day that Tesla's proxy takes gives that day's bit", () => {
  const bits: [string, number][] = [
    ["Sun", 1],
    ["Sunday", 1],
    ["Mon", 2],
    ["Monday", 2],
    ["Tues", 4],
    ["Tuesday", 4],
    ["Wed", 8],
    ["Wednesday", 8],
    ["Thurs", 16],
    ["Thursday", 16],
    ["Fri", 32],
    ["Friday", 32],
    ["Sat", 64],
    ["Saturday", 64],
    ["All", 127],
    ["Weekdays", 62],
    ["Weekdays, Sun ,SAT", 127],
    ["Mon,Mon", 2],
  ];
  for (const [days_of_week, days] of bits) {
    const sent = sentFor("add_charge_schedule", { ...allDays, id: 9, days_of_week });
    const content = {
      id: 9,
      days_of_week: days,
      start_enabled: true,
      enabled: true,
      latitude: 52.5,
      longitude: 13.25,
    };
    assert.equal(sent, car({ addChargeScheduleAction: content }), days_of_week);
  }
});

// For each command one set of parameters that it takes, from the cases above.
const good = new Map(CASES.map(([name, parameters]) => [name, parameters]));

test("every parameter of a wrong kind or out of its range is refused by name", () => {
  for (const [name, row] of ROWS) {
    for (const [label, rule] of Object.entries(parametersOf(row))) {
      const key = label.replace("?", "");
      const wrong: unknown[] = [null, [], {}, [1], { a: 1 }, { toString: {} }];
      if (!Array.isArray(rule)) wrong.push("", "nonsense", 0, true, "toString", "__proto__");
      else if (["flag", "all week", "weekdays"].includes(rule[1])) wrong.push(0, 1, "true", "");
      else if (rule[1] === "pin") wrong.push("", "123", "12345", "12a4", 1234, "１２３４", "1234\n");
      else if (rule[1] === "text") wrong.push("", "x".repeat(1001), 5, true);
      else if (rule[1] === "days") wrong.push("", "Tue", "Mon,", "All;Mon", 127, true, "Mon,Someday");
      else {
        const { 2: from = 1, 3: to = Number.MAX_SAFE_INTEGER } = rule;
        wrong.push(from - 1, to + 1, "1", "", true, NaN, Infinity, -Infinity);
        if (!["decimal", "decimal kept", "double"].includes(rule[1])) wrong.push(from + 0.5);
      }
      for (const value of wrong) {
        assert.throws(
          () => encodeCommand(name, { ...good.get(name), [key]: value }),
          (error: Error) => error.message.startsWith(`${key} must be `) && !error.message.includes("\n"),
          `${name} ${key} ${JSON.stringify(value)}`,
        );
      }
    }
  }
});

// The ranges once more, by hand: a range that the table widens or narrows by mistake must be seen.
// biome-ignore format: a table of words and numbers
const RANGES: [string, string, number, number][] = [
  ["set_charge_limit", "percent", 50, 100], ["set_charging_amps", "charging_amps", 0, 80],
  ["set_scheduled_charging", "time", 0, 1439], ["set_scheduled_departure", "departure_time", 0, 1439],
  ["set_scheduled_departure", "end_off_peak_time", 0, 1439],
  ["add_charge_schedule", "id", 1, Number.MAX_SAFE_INTEGER], ["add_charge_schedule", "start_time", 0, 1439],
  ["add_charge_schedule", "end_time", 0, 1439], ["add_charge_schedule", "lat", -90, 90],
  ["add_charge_schedule", "lon", -180, 180], ["remove_charge_schedule", "id", 1, Number.MAX_SAFE_INTEGER],
  ["add_precondition_schedule", "id", 1, Number.MAX_SAFE_INTEGER],
  ["add_precondition_schedule", "precondition_time", 0, 1439], ["add_precondition_schedule", "lat", -90, 90],
  ["add_precondition_schedule", "lon", -180, 180],
  ["remove_precondition_schedule", "id", 1, Number.MAX_SAFE_INTEGER], ["set_temps", "driver_temp", 15, 28],
  ["set_temps", "passenger_temp", 15, 28], ["set_climate_keeper_mode", "climate_keeper_mode", 0, 3],
  ["set_cop_temp", "cop_temp", 0, 2], ["remote_seat_heater_request", "level", 0, 3],
  ["remote_seat_heater_request", "seat_position", 0, 8],
  ["remote_seat_cooler_request", "seat_cooler_level", 0, 3],
  ["remote_seat_cooler_request", "seat_position", 1, 2],
  ["remote_auto_seat_climate_request", "auto_seat_position", 1, 2], ["window_control", "lat", -90, 90],
  ["window_control", "lon", -180, 180], ["trigger_homelink", "lat", -90, 90],
  ["trigger_homelink", "lon", -180, 180], ["adjust_volume", "volume", 0, 11],
  ["speed_limit_set_limit", "limit_mph", 50, 120],
  ["parental_controls_set_speed_limit", "limit_mph", 50, 120],
  ["schedule_software_update", "offset_sec", 0, 2147483647],
];
const LENGTHS = [
  ["set_vehicle_name", "vehicle_name"],
  ["trigger_homelink", "token"],
] as const; // 1 to 1000

test("the ranges are the documented ones: both ends are taken, the next number is not", () => {
  for (const [name, key, from, to] of RANGES) {
    for (const value of [from, to]) encodeCommand(name, { ...good.get(name), [key]: value });
    for (const value of [from - 1, to + 1]) {
      assert.throws(
        () => encodeCommand(name, { ...good.get(name), [key]: value }),
        (error: Error) => error.message.endsWith(`number from ${from} to ${to}: found ${value}`),
        `${name} ${key} ${value}`,
      );
    }
  }
  for (const [name, key] of LENGTHS) {
    const give = (length: number) => encodeCommand(name, { ...good.get(name), [key]: "x".repeat(length) });
    for (const length of [0, 1001])
      assert.throws(() => give(length), /must be a text of 1 to 1000 characters/);
    for (const length of [1, 1000]) give(length);
  }
  const withRange = ROWS.flatMap(([name, row]) =>
    Object.entries(parametersOf(row))
      .filter(([, rule]) => Array.isArray(rule) && (rule[1] === "id" || rule.length === 4))
      .map(([label]) => `${name} ${label.replace("?", "")}`),
  );
  const tried = [...RANGES, ...LENGTHS].map(([name, key]) => `${name} ${key}`);
  assert.deepEqual(withRange.sort(), tried.sort());
});

test("what is missing, unknown or not signable is refused, and the message says what there is", () => {
  const refuse = (name: string, parameters: Content, message: string): void =>
    assert.throws(() => encodeCommand(name, parameters), { message });
  refuse("set_charging_amps", {}, "missing parameter charging_amps: set_charging_amps takes charging_amps");
  refuse(
    "set_charging_amps",
    { charging_amps: 81 },
    "charging_amps must be a whole number from 0 to 80: found 81",
  );
  refuse(
    "set_charging_amps",
    { charging_amps: 7.9 },
    "charging_amps must be a whole number from 0 to 80: found 7.9",
  );
  refuse("set_charging_amps", { amps: 7 }, "unknown parameter amps: set_charging_amps takes charging_amps");
  refuse("honk_horn", { loud: true }, "unknown parameter loud: honk_horn takes no parameters");
  refuse("window_control", { command: "open" }, 'command must be one of vent, close: found "open"');
  refuse("window_control", { command: "close", lat: 91 }, "lat must be a number from -90 to 90: found 91");
  refuse("speed_limit_activate", { pin: "12345" }, "pin must be a text of four digits: found something else");
  refuse("wake_up", {}, `wake_up cannot be signed: ${NOT_SIGNED.wake_up}`);
  for (const name of ["constructor", "__proto__", "toString", "", "honk", "set_charging_amp"]) {
    refuse(name, {}, `there is no command "${name}"`);
  }
  const strange = JSON.parse('{"__proto__": 1}') as Content;
  assert.throws(() => encodeCommand("charge_start", strange), /unknown parameter __proto__/);
  for (const [name, { parameters = {}, switchedBy }] of ROWS) {
    for (const label of Object.keys(parameters).filter((each) => !each.endsWith("?"))) {
      const given: Content = {
        ...good.get(name),
        ...(switchedBy === undefined ? {} : { [switchedBy]: true }),
      };
      delete given[label];
      const message = new RegExp(`missing parameter ${label}: ${name} takes `);
      assert.throws(() => encodeCommand(name, given), message);
    }
  }
});

test("valet mode as in Tesla's own client: on takes a PIN of four digits, off sends none", () => {
  const refuse = (parameters: Content, message: string): void =>
    assert.throws(() => encodeCommand("set_valet_mode", parameters), { message });
  refuse({ on: true }, "missing parameter password: set_valet_mode takes on, password");
  refuse({ password: "0123" }, "missing parameter on: set_valet_mode takes on, password");
  refuse({}, "missing parameter on: set_valet_mode takes on, password");
  for (const password of ["", "123", "12345", 1234, null]) {
    for (const on of [true, false]) {
      refuse({ on, password }, "password must be a text of four digits: found something else");
    }
  }
  refuse({ on: "false" }, "on must be true or false: found something else");
  for (const password of ["0123", "9999"]) {
    const off = sentFor("set_valet_mode", { on: false, password });
    assert.equal(off, sentFor("set_valet_mode", { on: false }));
    assert.equal(off.includes(Buffer.from(password).toString("hex")), false, "it sends a PIN to switch off");
  }
});

test("a row that one parameter switches off needs and sends nothing besides it", () => {
  const rows = ROWS.filter(([, { switchedBy }]) => switchedBy !== undefined);
  assert.deepEqual(
    rows.map(([name]) => name),
    ["set_scheduled_departure", "set_valet_mode"],
  );
  for (const [name, { switchedBy = "", parameters = {} }] of rows) {
    assert.ok(Object.keys(parameters).includes(switchedBy), `${name} has no parameter ${switchedBy}`);
    const off = { [switchedBy]: false };
    assert.equal(sentFor(name, { ...good.get(name), ...off }), sentFor(name, off), name);
  }
});

test("what is not signed is listed with its reason and stands in no row", () => {
  assert.deepEqual(Object.keys(NOT_SIGNED).sort(), [
    "navigation_gps_request",
    "navigation_request",
    "navigation_sc_request",
    "navigation_waypoints_request",
    "remote_auto_steering_wheel_heat_climate_request",
    "remote_boombox",
    "remote_steering_wheel_heat_level_request",
    "set_managed_charge_current_request",
    "set_managed_charger_location",
    "set_managed_scheduled_charging_time",
    "upcoming_calendar_entries",
    "wake_up",
  ]);
  for (const [name, reason] of Object.entries(NOT_SIGNED)) {
    assert.equal(Object.hasOwn(COMMANDS, name), false, name);
    assert.throws(() => encodeCommand(name, {}), { message: `${name} cannot be signed: ${reason}` });
  }
});

test("which commands are signed once only, and for which the charging scope is enough", () => {
  const having = (key: "once" | "scope"): string[] =>
    ROWS.flatMap(([name, row]) => (row[key] ? [name] : [])).sort();
  // biome-ignore format: a list of words
  assert.deepEqual(having("once"), ["actuate_trunk", "close_tonneau", "door_unlock", "erase_user_data",
    "flash_lights", "honk_horn", "media_next_fav", "media_next_track", "media_prev_fav", "media_prev_track",
    "media_toggle_playback", "media_volume_down", "media_volume_up", "open_tonneau", "remote_start_drive",
    "set_scheduled_charging", "set_scheduled_departure", "trigger_homelink"]);
  // biome-ignore format: a list of words
  assert.deepEqual(having("scope"), ["add_charge_schedule", "add_precondition_schedule", "charge_max_range",
    "charge_port_door_close", "charge_port_door_open", "charge_standard", "charge_start", "charge_stop",
    "remove_charge_schedule", "remove_precondition_schedule", "set_charge_limit", "set_charging_amps",
    "set_scheduled_charging", "set_scheduled_departure"]);
});
