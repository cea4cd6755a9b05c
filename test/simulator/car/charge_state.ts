// The block charge_state of vehicle_data, in the shape of Tesla's answers, worked out from the simulated car.
// What is not simulated (battery heater, managed charging, ...) has the value of a car that does not use it
import { FIXED } from "../tesla/tesla.ts";
import type { CarState } from "./state.ts";

const VOLTS = 230; // on three phases
const KWH_PER_PERCENT = 0.82;
const MILES_PER_KWH = 4.02;
const RATED_MILES_PER_PERCENT = 2.8102;
const ESTIMATED_MILES_PER_PERCENT = 2.5913;

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

export function chargeState(car: CarState) {
  const state = car.chargingState;
  const drawing = state === "Charging";
  const actual = drawing ? Math.min(car.amps, car.maxAmps) : 0;
  const power = (actual * VOLTS * 3) / 1000;
  const missing = Math.max(car.chargeLimit - car.batteryLevel, 0) * KWH_PER_PERCENT;
  const minutes = drawing && power > 0 ? Math.round((missing / power) * 60) : 0;
  const idleVolts = state === "NoPower" ? 0 : 2;
  const midnight = Math.floor(car.now() / 86_400_000) * 86_400;
  const { enable, time } = car.scheduledCharging;
  const ratedMiles = round(car.batteryLevel * RATED_MILES_PER_PERCENT, 2);
  const live = {
    battery_level: car.batteryLevel,
    battery_range: ratedMiles,
    charge_amps: car.amps,
    charge_current_request: car.amps,
    charge_current_request_max: car.ampsLimit,
    charge_enable_request: state !== "Stopped" && state !== "Complete",
    charge_limit_soc: car.chargeLimit,
    charge_port_door_open: car.portOpen,
    charge_rate: round(power * MILES_PER_KWH, 1),
    charger_actual_current: actual,
    charger_phases: drawing ? 2 : null, // three phases are reported as 2
    charger_pilot_current: car.ampsLimit,
    charger_power: Math.floor(power),
    charger_voltage: drawing ? VOLTS : idleVolts,
    charging_state: state,
    conn_charge_cable: car.pluggedIn ? "IEC" : "<invalid>",
    est_battery_range: round(car.batteryLevel * ESTIMATED_MILES_PER_PERCENT, 2),
    fast_charger_type: car.pluggedIn ? "ACSingleWireCAN" : "<invalid>",
    ideal_battery_range: ratedMiles,
    minutes_to_full_charge: minutes,
    scheduled_charging_mode: enable ? "StartAt" : "Off",
    scheduled_charging_pending: enable && car.pluggedIn && !drawing,
    scheduled_charging_start_time: enable ? midnight + time * 60 : null,
    scheduled_charging_start_time_app: time,
    scheduled_departure_time: midnight + 28_800,
    time_to_full_charge: round(minutes / 60, 2),
    timestamp: car.now(),
    usable_battery_level: car.batteryLevel,
  };
  // The order is that of Tesla's answers.
  return { ...FIXED.charge_state, ...live };
}
