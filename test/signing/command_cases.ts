// What each command must be, by hand and never from lib/signing/commands.ts: its bytes, made by a protobuf
// library with the definitions of commands.proto; its ranges; how often it may be signed; its scope. A new
// command needs its case here, two if it has parameters.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import protobuf from "protobufjs";

export type Content = Record<string, unknown>;
const definitions = readFileSync(new URL("commands.proto", import.meta.url), "utf8");
const { root } = protobuf.parse(definitions, { keepCase: true });

export function encodeIndependently(type: string, content: Content): string {
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
export const car = (content: Content): string => expected("Action", { vehicleAction: content });
const vcsec = (content: Content): string => expected("UnsignedMessage", content);
const move = (closure: string, how: string): string =>
  vcsec({ closureMoveRequest: { [closure]: `CLOSURE_MOVE_TYPE_${how}` } });

/** The number of an infotainment command in Tesla's VehicleAction, from the bytes of a case. */
export function actionNumber(hex: string): number {
  const action = root.lookupType("Action").decode(Buffer.from(hex, "hex")).toJSON().vehicleAction ?? {};
  const [name = ""] = Object.keys(action);
  return root.lookupType("VehicleAction").fields[name]?.id ?? 0;
}

// What each command must be. A zero, a false and an empty text are left out by hand, as proto3 requires.
export const allDays = { lat: 52.5, lon: 13.25, start_enabled: true, end_enabled: false, enabled: true };
// biome-ignore format: a table of words and numbers
export const CASES: [string, Content, string][] = [
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

// The ranges once more, by hand: a range that the table widens or narrows by mistake must be seen.
// biome-ignore format: a table of words and numbers
export const RANGES: [string, string, number, number][] = [
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
export const LENGTHS = [
  ["set_vehicle_name", "vehicle_name"],
  ["trigger_homelink", "token"],
] as const; // 1 to 1000

// Never signed a second time: since firmware 2024.26 each call of the first two adds a schedule; the others
// move or erase something, or twice is not the same as once.
// biome-ignore format: a list of words
export const ONCE = [
  "set_scheduled_charging", "set_scheduled_departure", "door_unlock", "remote_start_drive", "actuate_trunk",
  "open_tonneau", "close_tonneau", "trigger_homelink", "flash_lights", "honk_horn", "media_toggle_playback",
  "media_next_track", "media_prev_track", "media_next_fav", "media_prev_fav", "media_volume_up",
  "media_volume_down", "erase_user_data",
];
// For these the scope vehicle_charging_cmds is enough.
// biome-ignore format: a list of words
export const CHARGING = [
  "add_charge_schedule", "add_precondition_schedule", "charge_max_range",
  "charge_port_door_close", "charge_port_door_open", "charge_standard", "charge_start", "charge_stop",
  "remove_charge_schedule", "remove_precondition_schedule", "set_charge_limit", "set_charging_amps",
  "set_scheduled_charging", "set_scheduled_departure",
];
