// What each command does to the simulated car, by its name in Tesla's REST documentation, and which scopes it
// needs. An effect answers why not, or nothing when it is done. The only list of commands in the simulator.
import { FLOOR_AMPS, type CarState, type Parameters } from "./state.ts";

type Why = string | undefined;
type Effect = (car: CarState, params: Parameters) => unknown;

function whole(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? Math.trunc(value) : undefined;
}

function setAmps(car: CarState, asked: number | undefined): Why {
  if (asked === undefined || asked < 0) return "invalid_value"; // the car's own words are not known
  const second = asked === car.lastAmpsAsked && car.chargingState === "Charging";
  const low = asked > 0 && asked < FLOOR_AMPS;
  car.amps = Math.min(low && !second ? FLOOR_AMPS : asked, car.ampsLimit);
  car.lastAmpsAsked = asked;
  return undefined;
}

// biome-ignore format: table
const NOT_STARTED: Record<string, string> = { Disconnected: "disconnected", NoPower: "no_power",
  Complete: "complete", Charging: "is_charging" };

function startCharging(car: CarState): Why {
  if (car.chargingState !== "Stopped") return NOT_STARTED[car.chargingState];
  car.charging = true;
  return undefined;
}

function stopCharging(car: CarState): Why {
  if (car.chargingState !== "Charging") return "not_charging";
  car.charging = false;
  return undefined;
}

function setLimit(car: CarState, asked: number | undefined, whenSame: string): Why {
  if (asked === undefined) return "invalid_value";
  // Out of range still answers success; the car takes the nearest limit that it knows.
  const limit = Math.min(Math.max(asked, 50), 100);
  if (limit === car.chargeLimit) return whenSame;
  car.chargeLimit = limit;
  return undefined;
}

function closePort(car: CarState): Why {
  if (car.pluggedIn) return "cable connected";
  if (!car.portOpen) return "already closed";
  car.portOpen = false;
  return undefined;
}

/** Without an id of its own, or with zero, it gets one from the time. */
function addSchedule(car: CarState, to: Map<string, Parameters>, params: Parameters): void {
  const isGiven = params.id !== undefined && String(params.id) !== "0";
  let id = isGiven ? String(params.id) : String(Math.floor(car.now() / 1000));
  while (!isGiven && to.has(id)) id = String(Number(id) + 1);
  to.set(id, { ...params, id });
}

/** The car's own words for an unknown schedule are not known; these are the simulator's. */
function removeSchedule(from: Map<string, Parameters>, { id }: Parameters): Why {
  return from.delete(String(id)) ? undefined : "schedule_not_found";
}

const EVERY_DAY = { days_of_week: 127, one_time: false };

/** Since firmware 2024.26 each call adds a schedule; what is switched off is added as one that is off. */
function scheduleCharging(car: CarState, enable: boolean, time: number): void {
  car.scheduledCharging = { enable, time };
  const times = { start_enabled: true, start_time: time, end_enabled: false };
  addSchedule(car, car.chargeSchedules, { ...EVERY_DAY, enabled: enable, ...times });
}

/** The fields are those of the documentation, or of a signed message. */
function scheduleDeparture(car: CarState, params: Parameters): void {
  car.scheduledDeparture = params;
  const schedule = { ...EVERY_DAY, enabled: (params.enable ?? params.enabled) === true };
  const time = params.departure_time ?? 0;
  const warm = params.preconditioning_enabled === true || params.preconditioning_times !== undefined;
  if (warm) addSchedule(car, car.preconditionSchedules, { ...schedule, precondition_time: time });
  const charge = { ...schedule, start_enabled: false, end_enabled: true, end_time: time };
  addSchedule(car, car.chargeSchedules, charge);
}

function put(change: Partial<CarState>): Effect {
  return (car) => Object.assign(car, change);
}

// For these vehicle_charging_cmds is enough.
const CHARGING: Record<string, Effect> = {
  set_charging_amps: (car, params) => setAmps(car, whole(params.charging_amps)),
  charge_start: startCharging,
  charge_stop: stopCharging,
  set_charge_limit: (car, params) => setLimit(car, whole(params.percent), "already_set"),
  charge_standard: (car) => setLimit(car, 80, "already_standard"),
  charge_max_range: (car) => setLimit(car, 100, "already_max_range"),
  charge_port_door_open: put({ portOpen: true }),
  charge_port_door_close: closePort,
  set_scheduled_charging: (car, { enable, time }) => scheduleCharging(car, enable === true, whole(time) ?? 0),
  set_scheduled_departure: scheduleDeparture,
  add_charge_schedule: (car, params) => addSchedule(car, car.chargeSchedules, params),
  remove_charge_schedule: (car, params) => removeSchedule(car.chargeSchedules, params),
  batch_remove_charge_schedules: (car) => car.chargeSchedules.clear(),
  add_precondition_schedule: (car, params) => addSchedule(car, car.preconditionSchedules, params),
  remove_precondition_schedule: (car, params) => removeSchedule(car.preconditionSchedules, params),
  vehicle_action_99: () => {}, // the same two, signed
  vehicle_action_100: () => {},
};

const OTHERS: Record<string, Effect> = {
  batch_remove_precondition_schedules: (car) => car.preconditionSchedules.clear(),
  flash_lights: (car) => Object.assign(car, { lightFlashes: car.lightFlashes + 1 }),
  honk_horn: (car) => Object.assign(car, { honks: car.honks + 1 }),
  door_lock: put({ locked: true }),
  door_unlock: put({ locked: false }),
  auto_conditioning_start: put({ climateOn: true }),
  auto_conditioning_stop: put({ climateOn: false }),
  set_sentry_mode: (car, params) => Object.assign(car, { sentryMode: params.on === true }),
  // The same, signed.
  vehicle_action_30: (car, params) => Object.assign(car, { sentryMode: params.bytes === "0801" }),
  set_temps: (car, { driver_temp, passenger_temp }) => {
    if (typeof driver_temp === "number") car.driverTemp = driver_temp;
    if (typeof passenger_temp === "number") car.passengerTemp = passenger_temp;
  },
  set_vehicle_name: (car, params) => Object.assign(car, { name: String(params.vehicle_name ?? "") }),
  wake_vehicle: put({ awake: true }),
};

// They ask and change nothing. Which scope Tesla requires for them is not known; here either of the two will do.
const QUESTIONS = "get_status get_whitelist_info get_whitelist_entry_info get_vehicle_data ping".split(" ");

// They change nothing that this simulator models: they are logged and succeed.
const WITHOUT_EFFECT = new Set(
  `actuate_trunk adjust_volume auto_secure_vehicle cancel_software_update clear_pin_to_drive_admin
  close_tonneau closure_move erase_user_data guest_mode keep_accessory_power_mode media_next_fav
  media_next_track media_prev_fav media_prev_track media_toggle_playback media_volume_down media_volume_up
  navigation_gps_request navigation_request navigation_sc_request navigation_waypoints_request open_tonneau
  parental_controls_activate parental_controls_clear_pin_admin parental_controls_deactivate
  parental_controls_enable_setting parental_controls_set_speed_limit remote_auto_seat_climate_request
  remote_auto_steering_wheel_heat_climate_request remote_boombox remote_seat_cooler_request
  remote_seat_heater_request remote_start_drive remote_steering_wheel_heat_level_request
  remote_steering_wheel_heater_request reset_pin_to_drive_pin reset_valet_pin schedule_software_update
  set_bioweapon_mode set_cabin_overheat_protection set_climate_keeper_mode set_cop_temp set_low_power_mode
  set_managed_charge_current_request set_managed_charger_location set_managed_scheduled_charging_time
  set_pin_to_drive set_preconditioning_max set_valet_mode speed_limit_activate speed_limit_clear_pin
  speed_limit_clear_pin_admin speed_limit_deactivate speed_limit_set_limit stop_tonneau sun_roof_control
  trigger_homelink upcoming_calendar_entries window_control`
    .split(/\s+/)
    .concat(QUESTIONS),
);

/** Does it and answers undefined, or answers why not. */
export function perform(car: CarState, name: string, params: Parameters): Why {
  const effect = CHARGING[name] ?? OTHERS[name];
  if (effect !== undefined) {
    const why = effect(car, params);
    return typeof why === "string" ? why : undefined;
  }
  return WITHOUT_EFFECT.has(name) || name.startsWith("vehicle_action_") ? undefined : "not_supported";
}

export const EITHER_SCOPE = ["vehicle_charging_cmds", "vehicle_cmds"];

/** The scopes of which a token needs one. */
export function scopesFor(name: string): string[] {
  return name in CHARGING || QUESTIONS.includes(name) ? EITHER_SCOPE : ["vehicle_cmds"];
}
