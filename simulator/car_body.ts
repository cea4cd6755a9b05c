// The simulated car apart from its locks and keys: battery, charger, doors, and what it answers to a command.
// All state is public, for tests to set. Nothing changes by itself: there are no timers.

import { chargeState } from "./charge_state.ts";

export interface Verdict { result: boolean; reason: string }
export interface Parameters { [name: string]: unknown }
export interface Executed { name: string; params: Parameters; at: number }

// The lowest current that the owner's own app offers; lower ones need a second identical call.
const FLOOR_AMPS = 5;

// Names of Tesla's documentation that change nothing this simulator models: they are logged and succeed.
const OTHER_COMMANDS = new Set(`
  actuate_trunk add_precondition_schedule adjust_volume cancel_software_update clear_pin_to_drive_admin
  erase_user_data guest_mode media_next_fav media_next_track media_prev_fav media_prev_track
  media_toggle_playback media_volume_down media_volume_up navigation_gps_request navigation_request
  navigation_sc_request navigation_waypoints_request remote_auto_seat_climate_request
  remote_auto_steering_wheel_heat_climate_request remote_boombox remote_seat_cooler_request
  remote_seat_heater_request remote_start_drive remote_steering_wheel_heat_level_request
  remote_steering_wheel_heater_request remove_precondition_schedule reset_pin_to_drive_pin reset_valet_pin
  schedule_software_update set_bioweapon_mode set_cabin_overheat_protection set_climate_keeper_mode
  set_cop_temp set_pin_to_drive set_preconditioning_max set_sentry_mode set_temps set_valet_mode
  speed_limit_activate
  speed_limit_clear_pin speed_limit_clear_pin_admin speed_limit_deactivate speed_limit_set_limit
  sun_roof_control trigger_homelink upcoming_calendar_entries window_control set_low_power_mode
  set_keep_accessory_power_mode auto_secure_vehicle set_managed_charge_current_request
  set_managed_charger_location set_managed_scheduled_charging_time batch_remove_precondition_schedules
  open_tonneau close_tonneau stop_tonneau closure_move ping get_vehicle_data get_status
`.trim().split(/\s+/));

function whole(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? Math.trunc(value) : undefined;
}

export class CarBody {
  vin: string;
  now: () => number;
  awake = true;
  online = true;
  name = "Testla";

  pluggedIn = true;
  hasPower = true;
  charging = true;
  batteryLevel = 61;
  chargeLimit = 80;
  standardLimit = 80;
  amps = 16;
  // The most that cable and charger allow, and what the car reports with nothing plugged in.
  maxAmps = 16;
  maxAmpsUnplugged = 48;
  phases = 3;
  volts = 230;
  energyAdded = 3.11;
  portOpen = true;
  // Some cars answer charge_start with "requested" while the charger is still getting ready.
  answersRequested = false;

  locked = true;
  climateOn = false;
  lightFlashes = 0;
  honks = 0;
  scheduledCharging: { enable: boolean; time: number } = { enable: false, time: 0 };
  scheduledDeparture: Parameters = {};
  chargeSchedules: Map<string, Parameters> = new Map();

  // What was really done, in order. A refused command is not in it.
  executed: Executed[] = [];
  private refusals: string[] = [];
  // The value of the last set_charging_amps, for the rule of the second call below 5 A.
  private lastAmpsAsked: number | undefined;

  constructor(vin: string, now: () => number) {
    this.vin = vin;
    this.now = now;
  }

  get chargingState(): string {
    if (!this.pluggedIn) return "Disconnected";
    if (!this.hasPower) return "NoPower";
    if (this.batteryLevel >= this.chargeLimit) return "Complete";
    return this.charging ? "Charging" : "Stopped";
  }

  get ampsLimit(): number {
    return this.pluggedIn ? this.maxAmps : this.maxAmpsUnplugged;
  }

  plug(): void {
    this.pluggedIn = true;
    this.portOpen = true;
    this.charging = true;
    // A new cable puts the floor back, and nothing above the cable's limit stays.
    this.amps = Math.min(Math.max(this.amps, FLOOR_AMPS), this.maxAmps);
    this.lastAmpsAsked = undefined;
  }

  unplug(): void {
    this.pluggedIn = false;
    this.charging = false;
    this.portOpen = false;
    this.lastAmpsAsked = undefined;
  }

  // The next commands, this many, are refused with this reason and not executed.
  refuse(reason: string, times = 1): void {
    for (let count = 0; count < times; count++) this.refusals.push(reason);
  }

  couldNotWakeBuses(times = 1): void {
    this.refuse("could_not_wake_buses", times);
  }

  clearRefusals(): void {
    this.refusals = [];
  }

  // The car's own verdict on a command of Tesla's REST documentation, whichever way it came.
  execute(name: string, params: Parameters = {}): Verdict {
    const reason = this.refusals.length > 0 ? this.refusals.shift() : this.perform(name, params);
    if (reason !== undefined) return { result: false, reason };
    this.executed.push({ name, params, at: this.now() });
    return { result: true, reason: "" };
  }

  // Does it and answers undefined, or answers why not.
  private perform(name: string, params: Parameters): string | undefined {
    switch (name) {
      case "set_charging_amps": return this.setAmps(whole(params.charging_amps));
      case "charge_start": return this.startCharging();
      case "charge_stop": return this.stopCharging();
      case "set_charge_limit": return this.setLimit(whole(params.percent), "already_set");
      case "charge_standard": return this.setLimit(this.standardLimit, "already_standard");
      case "charge_max_range": return this.setLimit(100, "already_max_range");
      case "charge_port_door_open": return void (this.portOpen = true);
      case "charge_port_door_close": return this.closePort();
      case "flash_lights": return void this.lightFlashes++;
      case "honk_horn": return void this.honks++;
      case "door_lock": return void (this.locked = true);
      case "door_unlock": return void (this.locked = false);
      case "auto_conditioning_start": return void (this.climateOn = true);
      case "auto_conditioning_stop": return void (this.climateOn = false);
      case "set_vehicle_name": return void (this.name = String(params.vehicle_name ?? ""));
      case "wake_vehicle": return void (this.awake = true);
      case "set_scheduled_charging":
        this.scheduledCharging = { enable: params.enable === true, time: whole(params.time) ?? 0 };
        return undefined;
      case "set_scheduled_departure": return void (this.scheduledDeparture = params);
      case "add_charge_schedule": return this.addSchedule(params);
      case "remove_charge_schedule":
        // The car's own words for an unknown schedule are not known; these are the simulator's.
        return this.chargeSchedules.delete(String(params.id)) ? undefined : "schedule_not_found";
      case "batch_remove_charge_schedules": return void this.chargeSchedules.clear();
    }
    return OTHER_COMMANDS.has(name) || name.startsWith("vehicle_action_") ? undefined : "not_supported";
  }

  private setAmps(asked: number | undefined): string | undefined {
    // The car's own words for this are not known; these are the simulator's.
    if (asked === undefined || asked < 0) return "invalid_value";
    const second = asked === this.lastAmpsAsked && this.chargingState === "Charging";
    const low = asked > 0 && asked < FLOOR_AMPS;
    this.amps = low && !second ? Math.min(FLOOR_AMPS, this.ampsLimit) : Math.min(asked, this.ampsLimit);
    this.lastAmpsAsked = asked;
    return undefined;
  }

  private startCharging(): string | undefined {
    const state = this.chargingState;
    if (state === "Disconnected") return "disconnected";
    if (state === "NoPower") return "no_power";
    if (state === "Complete") return "complete";
    if (state === "Charging") return "is_charging";
    if (this.answersRequested) return "requested";
    this.charging = true;
    return undefined;
  }

  private stopCharging(): string | undefined {
    if (this.chargingState !== "Charging") return "not_charging";
    this.charging = false;
    return undefined;
  }

  private setLimit(asked: number | undefined, whenSame: string): string | undefined {
    if (asked === undefined) return "invalid_value";
    // Out of range still answers success; the car takes the nearest limit that it knows.
    const limit = Math.min(Math.max(asked, 50), 100);
    if (limit === this.chargeLimit) return whenSame;
    this.chargeLimit = limit;
    return undefined;
  }

  private closePort(): string | undefined {
    if (this.pluggedIn) return "cable connected";
    if (!this.portOpen) return "already closed";
    this.portOpen = false;
    return undefined;
  }

  private addSchedule(params: Parameters): string | undefined {
    const id = String(params.id ?? Math.floor(this.now() / 1000));
    this.chargeSchedules.set(id, { ...params, id });
    return undefined;
  }

  // The block charge_state of vehicle_data.
  chargeState() {
    return chargeState(this);
  }
}
