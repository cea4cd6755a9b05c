// The simulated car without its keys: battery, charger, cable, doors, lights, and its verdict on a command,
// whichever way it came. All of it is public, for tests to set. Nothing changes by itself: there are no timers.
import { FIXED } from "../tesla/tesla.ts";
import { perform } from "./commands.ts";

export type Parameters = { [name: string]: unknown };
export type Verdict = { result: boolean; reason: string };
type Schedules = Map<string, Parameters>;

// The lowest current that the owner's own app offers; lower ones need a second identical call.
export const FLOOR_AMPS = 5;

const VOLTS = 230; // on three phases
const KWH_PER_PERCENT = 0.82;
const MILES_PER_KWH = 4.02;
const RATED_MILES_PER_PERCENT = 2.8102;
const ESTIMATED_MILES_PER_PERCENT = 2.5913;

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

export class CarState {
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
  amps = 16;
  maxAmps = 16; // the most that cable and charger allow
  portOpen = true;

  locked = true;
  climateOn = false;
  sentryMode = false;
  driverTemp = 21; // °C
  passengerTemp = 21;
  lightFlashes = 0;
  honks = 0;
  scheduledCharging = { enable: false, time: 0 };
  scheduledDeparture: Parameters = {};
  chargeSchedules: Schedules = new Map();
  preconditionSchedules: Schedules = new Map();

  executed: { name: string; params: Parameters; at: number }[] = []; // what was really done, in order
  refusals: string[] = [];
  // Asked before each command: a reason to refuse it in the car's name, or undefined.
  refusalByName: () => string | undefined = () => undefined;
  // The same for the security computer, as it words a refusal: a number, or "wait".
  securityStatusByName: () => string | undefined = () => undefined;
  lastAmpsAsked: number | undefined; // for the rule of the second call below 5 A

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
    return this.pluggedIn ? this.maxAmps : 48; // what a car reports with nothing plugged in
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

  /** The next commands, this many, are refused with this reason and not executed. */
  refuse(reason: string, times = 1): void {
    for (let count = 0; count < times; count++) this.refusals.push(reason);
  }

  /** The car's own verdict on a command of Tesla's REST documentation. */
  execute(name: string, params: Parameters = {}): Verdict {
    const reason = this.refusalByName() ?? this.refusals.shift() ?? perform(this, name, params);
    if (reason !== undefined) return { result: false, reason };
    this.executed.push({ name, params, at: this.now() });
    return { result: true, reason: "" };
  }

  /** The block charge_state of vehicle_data. What is not simulated has the value of a car that does not use it. */
  chargeState() {
    const state = this.chargingState;
    const drawing = state === "Charging";
    const actual = drawing ? Math.min(this.amps, this.maxAmps) : 0;
    const power = (actual * VOLTS * 3) / 1000;
    const missing = Math.max(this.chargeLimit - this.batteryLevel, 0) * KWH_PER_PERCENT;
    const minutes = drawing && power > 0 ? Math.round((missing / power) * 60) : 0;
    const idleVolts = state === "NoPower" ? 0 : 2;
    const midnight = Math.floor(this.now() / 86_400_000) * 86_400;
    const { enable, time } = this.scheduledCharging;
    const ratedMiles = round(this.batteryLevel * RATED_MILES_PER_PERCENT, 2);
    const live = {
      battery_level: this.batteryLevel,
      battery_range: ratedMiles,
      charge_amps: this.amps,
      charge_current_request: this.amps,
      charge_current_request_max: this.ampsLimit,
      charge_enable_request: state !== "Stopped" && state !== "Complete",
      charge_limit_soc: this.chargeLimit,
      charge_port_door_open: this.portOpen,
      charge_rate: round(power * MILES_PER_KWH, 1),
      charger_actual_current: actual,
      charger_phases: drawing ? 2 : null, // three phases are reported as 2
      charger_pilot_current: this.ampsLimit,
      charger_power: Math.floor(power),
      charger_voltage: drawing ? VOLTS : idleVolts,
      charging_state: state,
      conn_charge_cable: this.pluggedIn ? "IEC" : "<invalid>",
      est_battery_range: round(this.batteryLevel * ESTIMATED_MILES_PER_PERCENT, 2),
      fast_charger_type: this.pluggedIn ? "ACSingleWireCAN" : "<invalid>",
      ideal_battery_range: ratedMiles,
      minutes_to_full_charge: minutes,
      scheduled_charging_mode: enable ? "StartAt" : "Off",
      scheduled_charging_pending: enable && this.pluggedIn && !drawing,
      scheduled_charging_start_time: enable ? midnight + time * 60 : null,
      scheduled_charging_start_time_app: time,
      scheduled_departure_time: midnight + 28_800,
      time_to_full_charge: round(minutes / 60, 2),
      timestamp: this.now(),
      usable_battery_level: this.batteryLevel,
    };
    // The order is that of Tesla's answers.
    return { ...FIXED.charge_state, ...live };
  }

  /** What vehicle_data and the car's own answer have in common. */
  climateState() {
    return {
      driver_temp_setting: this.driverTemp,
      passenger_temp_setting: this.passengerTemp,
      fan_status: this.climateOn ? 3 : 0,
      is_climate_on: this.climateOn,
      is_auto_conditioning_on: this.climateOn,
    };
  }
}
