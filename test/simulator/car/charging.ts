// What the charging commands do to the simulated car. Each function answers why not, or undefined when it is
// done.

import { FLOOR_AMPS, type CarState, type Parameters } from "./state.ts";

export function setAmps(car: CarState, asked: number | undefined): string | undefined {
  // The car's own words for this are not known; these are the simulator's.
  if (asked === undefined || asked < 0) return "invalid_value";
  const second = asked === car.lastAmpsAsked && car.chargingState === "Charging";
  const low = asked > 0 && asked < FLOOR_AMPS;
  car.amps = low && !second ? Math.min(FLOOR_AMPS, car.ampsLimit) : Math.min(asked, car.ampsLimit);
  car.lastAmpsAsked = asked;
  return undefined;
}

export function startCharging(car: CarState): string | undefined {
  const state = car.chargingState;
  if (state === "Disconnected") return "disconnected";
  if (state === "NoPower") return "no_power";
  if (state === "Complete") return "complete";
  if (state === "Charging") return "is_charging";
  if (car.answersRequested) return "requested";
  car.charging = true;
  return undefined;
}

export function stopCharging(car: CarState): string | undefined {
  if (car.chargingState !== "Charging") return "not_charging";
  car.charging = false;
  return undefined;
}

export function setLimit(car: CarState, asked: number | undefined, whenSame: string): string | undefined {
  if (asked === undefined) return "invalid_value";
  // Out of range still answers success; the car takes the nearest limit that it knows.
  const limit = Math.min(Math.max(asked, 50), 100);
  if (limit === car.chargeLimit) return whenSame;
  car.chargeLimit = limit;
  return undefined;
}

export function closePort(car: CarState): string | undefined {
  if (car.pluggedIn) return "cable connected";
  if (!car.portOpen) return "already closed";
  car.portOpen = false;
  return undefined;
}

export function addSchedule(car: CarState, params: Parameters): string | undefined {
  const id = String(params.id ?? Math.floor(car.now() / 1000));
  car.chargeSchedules.set(id, { ...params, id });
  return undefined;
}
