// What each command of Tesla's REST documentation does to the simulated car, by its name there.

import {
  addSchedule, closePort, removeSchedule, scheduleCharging, scheduleDeparture, setAmps, setLimit, startCharging,
  stopCharging,
} from "./charging.ts";
import type { CarState, Parameters } from "./state.ts";

// Names of Tesla's documentation that change nothing this simulator models: they are logged and succeed.
const OTHER_COMMANDS = new Set(`
  actuate_trunk adjust_volume cancel_software_update clear_pin_to_drive_admin
  erase_user_data guest_mode media_next_fav media_next_track media_prev_fav media_prev_track
  media_toggle_playback media_volume_down media_volume_up navigation_gps_request navigation_request
  navigation_sc_request navigation_waypoints_request remote_auto_seat_climate_request
  remote_auto_steering_wheel_heat_climate_request remote_boombox remote_seat_cooler_request
  remote_seat_heater_request remote_start_drive remote_steering_wheel_heat_level_request
  remote_steering_wheel_heater_request reset_pin_to_drive_pin reset_valet_pin
  schedule_software_update set_bioweapon_mode set_cabin_overheat_protection set_climate_keeper_mode
  set_cop_temp set_pin_to_drive set_preconditioning_max set_valet_mode
  speed_limit_activate
  speed_limit_clear_pin speed_limit_clear_pin_admin speed_limit_deactivate speed_limit_set_limit
  sun_roof_control trigger_homelink upcoming_calendar_entries window_control set_low_power_mode
  keep_accessory_power_mode parental_controls_activate parental_controls_clear_pin_admin
  parental_controls_deactivate parental_controls_enable_setting parental_controls_set_speed_limit auto_secure_vehicle set_managed_charge_current_request
  set_managed_charger_location set_managed_scheduled_charging_time
  open_tonneau close_tonneau stop_tonneau closure_move ping get_vehicle_data get_status
  get_whitelist_info get_whitelist_entry_info
`.trim().split(/\s+/));

function whole(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? Math.trunc(value) : undefined;
}

function setTemps(car: CarState, { driver_temp, passenger_temp }: Parameters): undefined {
  if (typeof driver_temp === "number") car.driverTemp = driver_temp;
  if (typeof passenger_temp === "number") car.passengerTemp = passenger_temp;
}

// Does it and answers undefined, or answers why not.
export function perform(car: CarState, name: string, params: Parameters): string | undefined {
  switch (name) {
    case "set_charging_amps": return setAmps(car, whole(params.charging_amps));
    case "charge_start": return startCharging(car);
    case "charge_stop": return stopCharging(car);
    case "set_charge_limit": return setLimit(car, whole(params.percent), "already_set");
    case "charge_standard": return setLimit(car, car.standardLimit, "already_standard");
    case "charge_max_range": return setLimit(car, 100, "already_max_range");
    case "charge_port_door_open": return void (car.portOpen = true);
    case "charge_port_door_close": return closePort(car);
    case "flash_lights": return void car.lightFlashes++;
    case "honk_horn": return void car.honks++;
    case "door_lock": return void (car.locked = true);
    case "door_unlock": return void (car.locked = false);
    case "auto_conditioning_start": return void (car.climateOn = true);
    case "auto_conditioning_stop": return void (car.climateOn = false);
    case "set_sentry_mode": return void (car.sentryMode = params.on === true);
    // The same, signed: field 1 of the member is whether it is on.
    case "vehicle_action_30": return void (car.sentryMode = params.bytes === "0801");
    case "set_temps": return setTemps(car, params);
    case "set_vehicle_name": return void (car.name = String(params.vehicle_name ?? ""));
    case "wake_vehicle": return void (car.awake = true);
    case "set_scheduled_charging": return scheduleCharging(car, params.enable === true, whole(params.time) ?? 0);
    case "set_scheduled_departure": return scheduleDeparture(car, params);
    case "add_charge_schedule": return addSchedule(car, car.chargeSchedules, params);
    case "add_precondition_schedule": return addSchedule(car, car.preconditionSchedules, params);
    case "remove_charge_schedule": return removeSchedule(car.chargeSchedules, params);
    case "remove_precondition_schedule": return removeSchedule(car.preconditionSchedules, params);
    case "batch_remove_charge_schedules": return void car.chargeSchedules.clear();
    case "batch_remove_precondition_schedules": return void car.preconditionSchedules.clear();
  }
  return OTHER_COMMANDS.has(name) || name.startsWith("vehicle_action_") ? undefined : "not_supported";
}
