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

/** Without an id of its own, or with zero, it gets one from the time. */
export function addSchedule(
  car: CarState, to: Map<string, Parameters>, params: Parameters,
): string | undefined {
  const isGiven = params.id !== undefined && String(params.id) !== "0";
  let id = isGiven ? String(params.id) : String(Math.floor(car.now() / 1000));
  while (!isGiven && to.has(id)) id = String(Number(id) + 1);
  to.set(id, { ...params, id });
  return undefined;
}

export function removeSchedule(from: Map<string, Parameters>, { id }: Parameters): string | undefined {
  // The car's own words for an unknown schedule are not known; these are the simulator's.
  return from.delete(String(id)) ? undefined : "schedule_not_found";
}

const EVERY_DAY = { days_of_week: 127, one_time: false };

/** Since firmware 2024.26 each call adds a schedule; what is switched off is added as one that is off. */
export function scheduleCharging(car: CarState, enable: boolean, time: number): string | undefined {
  car.scheduledCharging = { enable, time };
  const schedule = { ...EVERY_DAY, enabled: enable, start_enabled: true, start_time: time, end_enabled: false };
  return addSchedule(car, car.chargeSchedules, schedule);
}

export function scheduleDeparture(car: CarState, params: Parameters): string | undefined {
  car.scheduledDeparture = params;
  const isOn = (params.enable ?? params.enabled) === true;
  const time = params.departure_time ?? 0;
  const warm = params.preconditioning_enabled === true || params.preconditioning_times !== undefined;
  const schedule = { ...EVERY_DAY, enabled: isOn };
  if (warm) addSchedule(car, car.preconditionSchedules, { ...schedule, precondition_time: time });
  const charge = { ...schedule, start_enabled: false, end_enabled: true, end_time: time };
  return addSchedule(car, car.chargeSchedules, charge);
}
